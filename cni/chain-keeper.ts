import { messageOf } from '../src/errno.ts'
import type { Log } from '../src/log.ts'

export interface ChainKeeperOptions {
  /** Chains the plugin in; tells which file had to be changed. Throws when it cannot. */
  readonly chainIn: () => string | undefined
  readonly log: Log
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number
}

const lookMs = 1_000
const longestPauseMs = 300_000
/** Whoever drops us sooner after our return may do it because of our return. */
const fightMs = 60_000

/**
 * Keeps the plugin in the chain while others rewrite it: the network's own installer at its every start, Istio's and
 * Linkerd's at any time. It looks once a second and writes only when the entry is missing, so that its own writes
 * trigger nothing. With somebody who throws it out each time it does not fight: it comes back ever later.
 */
export class ChainKeeper implements Disposable {
  readonly #options: ChainKeeperOptions
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #insertedAt = -Infinity
  /** Until the next look, as long as the last return may be undone because it was one. */
  #pauseMs: number | undefined
  #said = ''

  constructor(options: ChainKeeperOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** Looks from now on, until disposed of. */
  start(): void {
    this.#timer = setTimeout(() => this.start(), this.look())
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  /** Looks once; returns after how many milliseconds to look again. */
  look(): number {
    let changed
    try {
      changed = this.#options.chainIn()
    } catch (error) {
      // The node's network may come later; once is enough to be told.
      if (messageOf(error) !== this.#said) this.#options.log.warn({}, messageOf(error))
      this.#said = messageOf(error)
      return lookMs
    }
    this.#said = ''
    const now = this.#now()
    if (changed === undefined) {
      if (now - this.#insertedAt > fightMs) this.#pauseMs = undefined
      return this.#pauseMs ?? lookMs
    }
    // Not left in peace since the last time.
    this.#pauseMs = Math.min((this.#pauseMs ?? lookMs / 2) * 2, longestPauseMs)
    this.#insertedAt = now
    this.#options.log.info({ file: changed, nextLookMs: this.#pauseMs }, 'CNI plugin chained in')
    return this.#pauseMs
  }
}
