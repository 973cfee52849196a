/** How long walks rest after a round, in durations of that round: they take a twentieth of one core at most. */
const REST = 19

/**
 * Walks over the sockets of namespaces that can wait for each other. Each takes the kernel a step for each bucket of the
 * node's table of connections, so where many are asked for again and again, one round does for all that have been asked
 * for since the one before; where few are, they come at once.
 */
export class SpacedWalks {
  readonly #walk: (netnsCookie: bigint) => void
  readonly #now: () => number
  readonly #waiting = new Set<bigint>()
  #notBefore = 0

  /** `walk` does not throw. `now` is in any unit. */
  constructor(walk: (netnsCookie: bigint) => void, now: () => number = () => performance.now()) {
    this.#walk = walk
    this.#now = now
  }

  ask(netnsCookie: bigint): void {
    this.#waiting.add(netnsCookie)
  }

  walkIfDue(): void {
    if (this.#waiting.size > 0 && this.#now() >= this.#notBefore) this.walkNow()
  }

  walkNow(): void {
    const begun = this.#now()
    for (const cookie of this.#waiting) this.#walk(cookie)
    this.#waiting.clear()
    const ended = this.#now()
    this.#notBefore = ended + (ended - begun) * REST
  }
}
