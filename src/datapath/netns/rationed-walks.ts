/** The pause after a round, in multiples of that round's duration. So walks take at most a twentieth of one core. */
const REST = 19

/**
 * Limits how often namespaces are walked over. Each walk takes the kernel a step for each bucket of the node's table of
 * connections. Frequent requests share one round; rare requests run at once.
 */
export class RationedWalks {
  readonly #walk: (netnsCookie: bigint) => Promise<void>
  readonly #now: () => number
  readonly #waiting = new Set<bigint>()
  #round: Promise<void> | undefined
  #notBefore = 0

  /** `walk` must not reject. `now` may use any unit. */
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

  /** Begins a round unless one is running or has only just ended. Does not wait for it. */
  walkIfDue(): void {
    if (this.#waiting.size > 0 && this.#now() >= this.#notBefore) void this.#walkRound()
  }

  /** Resolves once all requested walks are done. */
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
