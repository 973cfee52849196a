/** Numbers that a seed determines (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.#fraction() * (high - low + 1))
  }

  /** As `integer`, but each order of magnitude is as likely as the others. */
  magnitude(low: number, high: number): number {
    return Math.round(low * (high / low) ** this.#fraction())
  }

  chance(probability: number): boolean {
    return this.#fraction() < probability
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.integer(0, values.length - 1)]
    if (value === undefined) throw new RangeError('there is nothing to pick from')
    return value
  }

  #fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
