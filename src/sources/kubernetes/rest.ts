/**
 * The time between two looks at what the API server has told: to be woken for each of many events takes longer than to
 * read all of them at once.
 */
export class Rest {
  readonly #ms: number
  readonly #isUrgent: () => boolean
  readonly #resting = new Set<() => void>()

  constructor(ms: number, isUrgent: () => boolean) {
    this.#ms = ms
    this.#isUrgent = isUrgent
  }

  /** Resolves after the time, or when there is none to lose. */
  take(): Promise<void> {
    if (this.#isUrgent()) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#resting.delete(end)
        resolve()
      }
      const timer = setTimeout(end, this.#ms)
      this.#resting.add(end)
    })
  }

  /** Ends all that are being taken. */
  end(): void {
    for (const end of this.#resting) end()
  }
}
