import type { CliEnvironment } from '../environment.ts'
import { formatBytes } from '../output/print.ts'
import type { CaptureProgress } from './run.ts'

/** A terminal shows the counts this often. */
const EVERY_MS = 500

/** Tells the user that the capture has begun and, on a terminal, how much it has. */
export class Progress implements Disposable {
  readonly #stderr: CliEnvironment['stderr']
  readonly #begins: string
  readonly #counts: boolean
  #shownAt: number | undefined

  /** `begins` is said once. `counts`: the packets go into a file, and not to the terminal. */
  constructor(
    { stderr }: Pick<CliEnvironment, 'stderr'>,
    { begins, counts }: { readonly begins: string; readonly counts: boolean },
  ) {
    this.#stderr = stderr
    this.#begins = begins
    this.#counts = counts && stderr.isTTY === true
  }

  show = ({ packets, bytes }: CaptureProgress): void => {
    const now = performance.now()
    if (this.#shownAt === undefined) this.#stderr.write(`${this.#begins}\n`)
    else if (!this.#counts || now - this.#shownAt < EVERY_MS) return
    this.#shownAt = now
    if (this.#counts) this.#stderr.write(`\r\u001B[K${packets} packets, ${formatBytes(bytes)}`)
  }

  /** Writes a line. */
  say(text: string): void {
    this.#stderr.write(`${this.#counts ? '\r\u001B[K' : ''}${text}\n`)
  }

  /** Ends the line of counts. */
  [Symbol.dispose](): void {
    if (this.#counts && this.#shownAt !== undefined) this.#stderr.write('\r\u001B[K')
    this.#shownAt = undefined
  }
}
