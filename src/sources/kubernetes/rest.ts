import { setTimeout as sleep } from 'node:timers/promises'

/**
 * The time between two looks at what the API server has told: to be woken for each of many events takes longer than to
 * read all of them at once.
 */
export class Rest {
  readonly #ms: number
  readonly #isUrgent: () => boolean
  readonly #resting = new Set<AbortController>()

  constructor(ms: number, isUrgent: () => boolean) {
    this.#ms = ms
    this.#isUrgent = isUrgent
  }

  /** Resolves after the time, or when there is none to lose. */
  async take(): Promise<void> {
    if (this.#isUrgent()) return
    const early = new AbortController()
    this.#resting.add(early)
    await sleep(this.#ms, undefined, { signal: early.signal }).catch(() => undefined)
    this.#resting.delete(early)
  }

  /** Ends all that are being taken. */
  end(): void {
    for (const early of this.#resting) early.abort()
  }
}
