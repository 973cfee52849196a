import type { ChainState } from '../src/lib/cni-chain-state.ts'
import { BackOff } from '../src/lib/back-off.ts'
import { messageOf } from '../src/lib/errno.ts'
import { isExplained } from '../src/lib/errors.ts'
import type { Log } from '../src/lib/log.ts'
import type { Chained } from './chain.ts'

export interface ChainKeeperOptions {
  /** Checks and repairs the chain. `hold`: it must not insert our entry now. Throws if no chain is possible. */
  readonly chainIn: (hold: boolean) => Chained
  readonly log: Log
  /** Called when the state changes. */
  readonly onState?: (state: ChainState) => void
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number
}

const lookMs = 1_000
const longestPauseMs = 300_000
/** Removal within this time is treated as a reaction to our insertion. */
const reactionMs = 60_000
/** The first removal may come from an installer that has just started. */
const removalsOfAKeeper = 2

/**
 * Keeps the plugin in the chain while others rewrite the files: the network's installer at its start, Istio's and
 * Linkerd's at any time. It checks once a second and writes only necessary changes, so its own writes trigger nothing.
 * If another program removes the entry each time, it logs that once and inserts the entry more and more rarely.
 */
export class ChainKeeper implements Disposable {
  readonly #options: ChainKeeperOptions
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #insertedAt = -Infinity
  #heldUntil = -Infinity
  /** How long after an insertion the entry is not inserted again; 0 unless others react to it. */
  #pauseMs = 0
  readonly #backOff = new BackOff({ firstMs: lookMs, longestMs: longestPauseMs })
  #removals = 0
  /** Whether the entry was in place at the last check. */
  #inPlace = false
  #said = new Set<string>()
  #state: ChainState | undefined

  constructor(options: ChainKeeperOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** Checks once a second from now on, until disposed of. */
  start(): void {
    this.look()
    this.#timer = setTimeout(() => this.start(), lookMs)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  /** Checks once. Never throws, because the node's network may appear later. */
  look(): void {
    const now = this.#now()
    try {
      this.#judge(this.#options.chainIn(now < this.#heldUntil), now)
    } catch (error) {
      // chainIn has removed the entry, if there was one.
      this.#inPlace = false
      const isMissing = isExplained(error) && error.code === 'NO_CNI_NETWORK'
      const hint = isExplained(error) ? error.hint : undefined
      this.#tell(isMissing ? 'waiting' : 'refused', undefined, messageOf(error), hint)
    }
  }

  #judge({ file, besides, entry, written, doubt }: Chained, now: number): void {
    if (this.#inPlace && entry !== 'there') this.#removed(now)
    this.#inPlace = entry !== 'held'
    if (entry === 'inserted') {
      this.#insertedAt = now
      this.#heldUntil = now + this.#pauseMs
    } else if (entry === 'there' && now - this.#insertedAt > reactionMs) {
      this.#removals = 0
      this.#calm()
    }
    if (written)
      this.#options.log.info({ file, ...(besides && { besides }) }, 'CNI plugin chained in')
    if (this.#removals >= removalsOfAKeeper) {
      const problem = `another program takes the CNI plugin out of ${besides ?? file} each time`
      this.#tell(
        'contested',
        file,
        `${problem}; pods are enrolled without it, after they start`,
        peace,
      )
    } else if (doubt !== undefined) {
      this.#tell('chained', file, doubt)
    } else {
      this.#said.clear()
      this.#tell('chained', file)
    }
  }

  #removed(now: number): void {
    const isReaction = now - this.#insertedAt <= reactionMs
    this.#removals = isReaction ? this.#removals + 1 : 1
    if (isReaction) this.#pauseMs = this.#backOff.next()
    else this.#calm()
  }

  /** The next insertion is not held back. */
  #calm(): void {
    this.#pauseMs = 0
    this.#backOff.reset()
  }

  #tell(state: ChainState['state'], file?: string, problem?: string, hint?: string): void {
    if (problem !== undefined && !this.#said.has(problem)) {
      this.#said.add(problem)
      this.#options.log.warn({ ...(hint !== undefined && { hint }) }, problem)
    }
    const was = this.#state
    if (was?.state === state && was.file === file && was.problem === problem) return
    this.#state = {
      state,
      ...(file !== undefined && { file }),
      ...(problem !== undefined && { problem }),
      ...(hint !== undefined && { hint }),
      since: new Date().toISOString(),
    }
    this.#options.onState?.(this.#state)
  }
}

const peace =
  "Have it leave other plugins in: with Cilium's chart that is cni.exclusive=false. Or switch ours off: cni.enabled=false."
