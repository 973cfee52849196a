import type { CliEnvironment } from '../environment.ts'
import { Progress } from '../../lib/progress.ts'
import { formatBytes } from '../output/print.ts'
import type { CaptureProgress } from './run.ts'

/** A terminal shows the counts this often. */
const EVERY_MS = 500

/** Tells the user that the capture has begun and, on a terminal, how much it has. */
export class CaptureLine implements Disposable {
  readonly #progress: Progress
  readonly #begins: string
  readonly #counts: boolean
  #shownAt: number | undefined

  /** `begins` is said once. `counts`: the packets go into a file, and not to the terminal. */
  constructor(
    { stderr }: Pick<CliEnvironment, 'stderr'>,
    { begins, counts }: { readonly begins: string; readonly counts: boolean },
  ) {
    this.#progress = new Progress(stderr)
    this.#begins = begins
    this.#counts = counts
  }

  show = ({ packets, bytes }: CaptureProgress): void => {
    const now = performance.now()
    if (this.#shownAt === undefined) this.#progress.say(this.#begins)
    else if (!this.#counts || now - this.#shownAt < EVERY_MS) return
    this.#shownAt = now
    if (!this.#counts) return
    this.#progress.show(() => ({ what: `${packets} packets, ${formatBytes(bytes)}` }))
  }

  /** Writes a line that stays. */
  say(text: string): void {
    this.#progress.say(text)
  }

  [Symbol.dispose](): void {
    this.#progress[Symbol.dispose]()
  }
}
