import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { patience } from './retry.ts'

/** A process whose standard output is lines of JSON. */
export class Child<Line extends { readonly event: string }> implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #lines: Line[] = []
  readonly #waiting = new Set<() => void>()
  readonly #exited: Promise<void>
  #over = false
  stderr = ''

  constructor(command: string, args: readonly string[]) {
    this.#process = spawn(command, args, { stdio: 'pipe' })
    this.#process.stderr?.on('data', (data: Buffer) => (this.stderr += data.toString()))
    const { stdout } = this.#process
    if (stdout) {
      createInterface({ input: stdout }).on('line', (line) => {
        this.#lines.push(JSON.parse(line))
        this.#wake()
      })
    }
    this.#exited = new Promise((resolve) => {
      this.#process.on('close', () => {
        this.#over = true
        this.#wake()
        resolve()
      })
    })
  }

  /** Whether it has ended. */
  get over(): boolean {
    return this.#over
  }

  /** The next line for the event that was not taken yet. Rejects if none comes. */
  take(event: string, timeoutMs = 60_000): Promise<Line> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle()
      }
      const fail = (why: string): void =>
        done(() => reject(new Error(`no line \`${event}\`: ${why} ${this.stderr}`)))
      const look = (): void => {
        const at = this.#lines.findIndex((line) => line.event === event)
        const [line] = at < 0 ? [] : this.#lines.splice(at, 1)
        if (line) done(() => resolve(line))
        else if (this.#over) fail('the process has ended')
      }
      const timer = setTimeout(() => fail('it takes too long'), timeoutMs * patience)
      this.#waiting.add(look)
      look()
    })
  }

  write(text: string): void {
    this.#process.stdin?.write(text)
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL')
    await this.#exited
  }

  #wake(): void {
    for (const look of this.#waiting) look()
  }
}
