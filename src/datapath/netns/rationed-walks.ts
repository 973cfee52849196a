/** How long walks rest after a round, in durations of that round: they take a twentieth of one core at most. */
const REST = 19

/**
 * Walks over the sockets of namespaces that can wait for each other. Each takes the kernel a step for each bucket of the
 * node's table of connections, so where many are asked for again and again, one round does for all that have been asked
 * for since the one before; where few are, they come at once.
 */
export class SpacedWalks {
  readonly #walk: (netnsCookie: bigint) => Promise<void>
  readonly #now: () => number
  readonly #waiting = new Set<bigint>()
  #round: Promise<void> | undefined
  #notBefore = 0

  /** `walk` does not reject. `now` is in any unit. */
  constructor(
    walk: (netnsCookie: bigint) => Promise<void>,
    now: () => number = () => performance.now(),
  ) {
    this.#walk = walk
    this.#now = now
  }

  ask(netnsCookie: bigint): void {
    this.#waiting.add(netnsCookie)
  }

  /** Begins a round unless one is under way, or the one before has only just ended. Nobody waits for it. */
  walkIfDue(): void {
    if (this.#waiting.size > 0 && this.#now() >= this.#notBefore) void this.#walkRound()
  }

  /** Resolves once all that has been asked for is done. */
  async walkNow(): Promise<void> {
    await this.#round
    if (this.#waiting.size > 0) await this.#walkRound()
  }

  #walkRound(): Promise<void> {
    this.#round ??= this.#walkWaiting().finally(() => (this.#round = undefined))
    return this.#round
  }

  async #walkWaiting(): Promise<void> {
    const begun = this.#now()
    const cookies = [...this.#waiting]
    this.#waiting.clear()
    for (const cookie of cookies) await this.#walk(cookie)
    const ended = this.#now()
    this.#notBefore = ended + (ended - begun) * REST
  }
}
