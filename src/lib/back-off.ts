export interface BackOffOptions {
  /** The first wait, in milliseconds. */
  readonly firstMs: number
  /** No wait is longer, in milliseconds. */
  readonly longestMs: number
  /** The share of each wait that is left to chance, from 0 to 1, so that a thousand agents do not come as one. */
  readonly jitter?: number
  /** From 0 to below 1, as Math.random. */
  readonly random?: () => number
}

/** The waits between attempts: each is twice as long as its predecessor, up to the longest. */
export class BackOff {
  readonly #options: BackOffOptions
  #nextMs: number

  constructor(options: BackOffOptions) {
    this.#options = options
    this.#nextMs = options.firstMs
  }

  /** How long to wait now, in milliseconds. */
  next(): number {
    const { longestMs, jitter = 0, random = Math.random } = this.#options
    const ms = this.#nextMs
    this.#nextMs = Math.min(ms * 2, longestMs)
    return ms * (1 - jitter) + random() * ms * jitter
  }

  /** The next wait is the first one again. */
  reset(): void {
    this.#nextMs = this.#options.firstMs
  }
}
