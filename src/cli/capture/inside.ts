import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { HeldPodView } from '../../api/views.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import { packageRoot } from '../../lib/package.ts'

const PROGRAM = join(packageRoot, 'build/netns/meshaccel-inside')

/** How long a program may take to end before it is killed. */
const GRACE_MS = 5_000

/** enum failure of inside.c. */
const FAILURES: Readonly<Record<number, readonly [reason: string, hint: string]>> = {
  120: ['the command has ended', 'Run it again.'],
  121: [
    'its network namespace cannot be entered',
    'Run the command where the agent runs: on the node, or in its pod. Both must be root.',
  ],
  122: [
    'its network namespace is another one by now',
    'The pod has been replaced. Run the command again.',
  ],
  123: ['the program cannot be started', 'Try it by hand.'],
}

/** A program that runs in the network namespace of a pod. It ends with this process, also after SIGKILL. */
export class Inside {
  readonly process: ChildProcess
  /** The exit code, once all its output has arrived. Rejects if it could not begin. */
  readonly exited: Promise<number>
  #again: NodeJS.Timeout | undefined

  constructor({ netnsPath, netnsCookie }: HeldPodView, command: readonly string[]) {
    const args = [String(process.pid), netnsPath, String(netnsCookie), ...command]
    // In a session of its own, because Ctrl-C must not end it at once: run.ts says why.
    this.process = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.exited = new Promise((resolve, reject) => {
      this.process.on('error', (cause) =>
        reject(
          new MeshaccelError(cause.message, {
            code: 'NOT_BUILT',
            operation: `run ${PROGRAM}`,
            hint: 'In a checkout, `npm run setup` builds it.',
            cause,
          }),
        ),
      )
      this.process.on('close', (code) => {
        clearTimeout(this.#again)
        resolve(code ?? 1)
      })
    })
  }

  /** Whether it was asked to end. */
  get isEnding(): boolean {
    return this.#again !== undefined
  }

  /** Asks it to finish its output and to end. */
  end(): void {
    if (this.#again) return
    this.process.kill('SIGTERM')
    // The second request kills it.
    this.#again = setTimeout(() => this.process.kill('SIGTERM'), GRACE_MS)
  }
}

/** The error for an exit code of inside.c itself. Undefined for all others. */
export function errorOfExit(operation: string, code: number): MeshaccelError | undefined {
  const [reason, hint] = FAILURES[code] ?? []
  if (reason === undefined) return undefined
  return new MeshaccelError(reason, { code: 'NETNS_FAILED', operation, hint })
}
