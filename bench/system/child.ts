import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { MeshaccelError } from '../../src/lib/errors.ts'
import { readProcessStat } from '../../src/lib/proc.ts'
import { blockUntil, stillWaiting, type Waiting } from '../measure/polling.ts'
import type { UndoStack } from './undo-stack.ts'

const TAIL = 8192
const TERM_MS = 5_000
/** Measurements take this long. A longer wait reports progress. */
const SAY_EVERY_MS = 20_000
const KILL_MS = 5_000

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
}

/** A process of the run. It ends with its stack at the latest. */
export class Child {
  readonly name: string
  readonly pid: number
  /** Resolves when the process is gone. Never rejects. */
  readonly ended: Promise<Ended>
  readonly #process: ChildProcess
  #stderr = ''
  #over: Ended | undefined

  private constructor(name: string, child: ChildProcess, pid: number) {
    this.name = name
    this.pid = pid
    this.#process = child
    let stdout = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk
    })
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stderr = (this.#stderr + chunk).slice(-TAIL)
    })
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        this.#over = { code, signal, stdout }
        resolve(this.#over)
      })
    })
  }

  /** Starts a process in a session of its own, so that a terminal's Ctrl-C reaches only the bench. */
  static async start(
    stack: UndoStack,
    name: string,
    command: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
  ): Promise<Child> {
    const [file = '', ...args] = command
    const child = spawn(file, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env })
    const started = await new Promise<Child>((resolve, reject) => {
      child.once('error', (cause) =>
        reject(
          new MeshaccelError(cause.message, {
            code: 'CANNOT_START',
            operation: `start ${name}`,
            hint: 'Run `npm run setup`, which installs what is missing.',
            cause,
          }),
        ),
      )
      const { pid } = child
      if (pid === undefined) return
      const running = new Child(name, child, pid)
      stack.defer(`end ${name} (process ${pid})`, () => running.endNow())
      resolve(running)
    })
    return started
  }

  /** The last part of its stderr. */
  get stderr(): string {
    return this.#stderr.trim()
  }

  /** Throws if the process is gone, with its last output. */
  assertRunning(): void {
    if (!this.#over) return
    const { code, signal } = this.#over
    throw new MeshaccelError(`it ended (${code ?? signal}): ${this.stderr}`, {
      code: 'PROCESS_ENDED',
      operation: `run ${this.name}`,
    })
  }

  /** Waits until the process has ended successfully, and returns its output. */
  async result(waiting: Waiting, timeoutMs: number): Promise<string> {
    const ended = await this.#within(waiting, timeoutMs)
    if (ended.code === 0) return ended.stdout
    throw new MeshaccelError(`exit ${ended.code ?? ended.signal}: ${this.stderr}`, {
      code: 'PROCESS_FAILED',
      operation: `run ${this.name}`,
    })
  }

  /** Ends the process without the event loop. On return it is gone, or a zombie that Node reaps later. */
  endNow(): void {
    if (this.#over || gone(this.pid)) return
    this.#process.kill('SIGTERM')
    if (blockUntil(() => gone(this.pid), TERM_MS)) return
    this.#process.kill('SIGKILL')
    if (!blockUntil(() => gone(this.pid), KILL_MS)) throw new Error('it does not die')
  }

  async #within({ signal, say }: Waiting, timeoutMs: number): Promise<Ended> {
    signal.throwIfAborted()
    const begin = performance.now()
    const saying = setInterval(() => {
      const waitedMs = performance.now() - begin
      say(stillWaiting(`wait for ${this.name}`, waitedMs, timeoutMs, this.stderr))
    }, SAY_EVERY_MS)
    const settled = new AbortController()
    const timeout = delay(timeoutMs, 'timeout' as const, {
      signal: AbortSignal.any([signal, settled.signal]),
    })
    try {
      const first = await Promise.race([this.ended, timeout])
      if (first !== 'timeout') return first
    } finally {
      settled.abort()
      clearInterval(saying)
    }
    throw new MeshaccelError(`still running after ${timeoutMs / 1000} s: ${this.stderr}`, {
      code: 'TIMEOUT',
      operation: `wait for ${this.name}`,
    })
  }
}

function gone(pid: number): boolean {
  const stat = readProcessStat(pid)
  return stat === undefined || /[ZX]/.test(stat.state)
}
