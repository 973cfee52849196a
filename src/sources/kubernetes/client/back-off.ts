/**
 * Growing pauses between attempts. Half of each pause is random, so that a thousand agents do not retry at the same
 * moment.
 */
export class BackOff {
  readonly #firstMs: number
  readonly #longestMs: number
  readonly #random: () => number
  #nextMs: number

  constructor(firstMs: number, longestMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs
    this.#longestMs = longestMs
    this.#random = random
    this.#nextMs = firstMs
  }

  /** Returns the next pause in ms. */
  next(): number {
    const ms = this.#nextMs
    this.#nextMs = Math.min(ms * 2, this.#longestMs)
    return ms / 2 + (this.#random() * ms) / 2
  }

  reset(): void {
    this.#nextMs = this.#firstMs
  }
}
