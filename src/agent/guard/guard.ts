/** The guard: it holds pods on TCP once acceleration has made their slowest requests slower than their users allow. */

import type { GuardedView, TrialRunningView } from '../../api/views.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import { messageOf } from '../../lib/errno.ts'
import type { Log } from '../../lib/log.ts'
import { pause, type Pause } from '../../lib/pause.ts'
import type { ObservedPod } from '../../pods/observed-pod.ts'
import type { SeenPod } from '../../reconcile/desired.ts'
import { onTcp } from '../../reconcile/on-tcp.ts'
import type { Reconciler } from '../../reconcile/reconciler.ts'
import type { Observer } from '../observer.ts'
import { findingsOf, keptPairs, type Findings } from './evidence.ts'
import { measurePair, windowMs } from './pair.ts'

export interface GuardOptions {
  readonly datapath: Pick<Datapath, 'policy' | 'redirecting' | 'trial'>
  readonly reconciler: Pick<Reconciler, 'seen' | 'override'>
  readonly observer: Pick<Observer, 'countTrial'>
  /** The limit in percent of pods without a setting of their own; 0: no guard. */
  readonly percent: number
  /** The trial that runs now. */
  readonly trial: () => TrialRunningView | undefined
  /** Tells the users of a namespace what happens on this node. */
  readonly tell: (namespace: string, reason: string, message: string) => void
  readonly log: Log
  readonly random?: () => number
  readonly wait?: Pause
}

/** The node has a turn each minute: a pause, and a pair of windows. */
const pairMs = 2 * windowMs
const pauseMs = 40_000
/** A namespace has one turn in this many, and each turn while its ratios are suspicious. */
const restTurns = 5
/** If measuring fails, the next attempt comes an hour later. */
const failedTurns = 60

/** Pods of a namespace that have the same limit. */
interface Group {
  readonly namespace: string
  readonly limitPercent: number
  /** The last ratios of p99, in the order of time. */
  ratios: readonly number[]
  findings?: Findings
  /** The first turn that it may have next. */
  nextTurn: number
  heldSince?: string
}

type Pod = Pick<ObservedPod, 'namespace' | 'guard'>

/**
 * Makes one pair of windows at a time on a node, and none during a trial or a capture. Nothing of it outlives the agent.
 * A held group stays on TCP until none of its pods has the same limit any more.
 */
export class Guard {
  readonly #options: GuardOptions
  readonly #wait: Pause
  readonly #random: () => number
  readonly #groups = new Map<string, Group>()
  readonly #closing = new AbortController()
  #turns: Promise<void> | undefined
  #pair: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined
  /** Trials and captures that run now. */
  #others = 0

  constructor(options: GuardOptions) {
    this.#options = options
    this.#wait = options.wait ?? pause
    this.#random = options.random ?? Math.random
  }

  /** The groups that the guard watches and holds, by namespace. */
  get guarded(): GuardedView[] {
    return [...this.#groups.values()]
      .toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))
      .map(({ namespace, limitPercent, ratios, findings, heldSince }) => ({
        namespace,
        limitPercent,
        pairs: ratios.length,
        ...(findings === undefined ? {} : { p99Ratio: findings.ratio }),
        ...(findings?.atLeast === undefined ? {} : { p99AtLeast: findings.atLeast }),
        ...(heldSince === undefined ? {} : { heldSince }),
      }))
  }

  /** Whether the guard holds this pod on TCP. A trial of its namespace lifts that while it runs. */
  holds(pod: Pod): boolean {
    const isTried = this.#options.trial()?.namespace === pod.namespace
    return !isTried && this.#groupOf(pod)?.heldSince !== undefined
  }

  /** Follows the pods and their limits, after each run of the reconciler. */
  follow(seen: readonly SeenPod[]): void {
    const current = new Set<string>()
    for (const pod of seen) {
      const { namespace } = pod
      const limitPercent = this.#limitOf(pod)
      const key = keyOf({ namespace, limitPercent })
      current.add(key)
      if (!pod.enrolled || limitPercent === 0 || this.#groups.has(key)) continue
      this.#groups.set(key, { namespace, limitPercent, ratios: [], nextTurn: 0 })
    }
    for (const [key, group] of this.#groups) {
      if (current.has(key)) continue
      // A namespace without pods has not changed its mind: its next pods may have the same limit.
      const hasPods = seen.some(({ namespace }) => namespace === group.namespace)
      if (hasPods || group.heldSince === undefined) this.#groups.delete(key)
    }
    if (this.#groups.size > 0) this.#turns ??= this.#takeTurns()
  }

  /** The events of a trial or a capture. It begins once a pair that runs has been given up, and no pair begins during it. */
  async *aside<Event>(events: AsyncIterable<Event>): AsyncGenerator<Event> {
    this.#others += 1
    try {
      this.#pair?.stop.abort()
      await this.#pair?.ended
      yield* events
    } finally {
      this.#others -= 1
    }
  }

  /** Ends a pair that runs, and puts its pods back. Pods that are held stay on TCP. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#pair?.stop.abort()
    await this.#turns
  }

  async #takeTurns(): Promise<void> {
    const { signal } = this.#closing
    for (let turn = 0; ; turn += 1) {
      await this.#wait(pauseMs, signal)
      if (signal.aborted) return
      const group = this.#due(turn)
      if (group) await this.#take(group, turn)
      else await this.#wait(pairMs, signal)
    }
  }

  /** The group that has waited longest for its turn. */
  #due(turn: number): Group | undefined {
    const { policy, redirecting } = this.#options.datapath
    if (policy === 'refused' || !redirecting || this.#others > 0) return undefined
    return [...this.#groups.values()]
      .filter((group) => group.heldSince === undefined && group.nextTurn <= turn)
      .toSorted((one, other) => one.nextTurn - other.nextTurn)
      .find((group) => this.#cookiesOf(group).length > 0)
  }

  async #take(group: Group, turn: number): Promise<void> {
    const stop = new AbortController()
    const parts = { ...this.#options, random: this.#random, wait: this.#wait }
    const includes = (pod: ObservedPod): boolean => this.#groupOf(pod) === group
    const netnsCookies = this.#cookiesOf(group)
    const ended = measurePair(parts, { includes, netnsCookies }, stop.signal)
    // Others wait for its end, and it is reported here alone.
    this.#pair = { stop, ended: ended.catch(() => undefined) }
    group.nextTurn = turn + restTurns
    try {
      const ratio = await ended
      if (stop.signal.aborted) group.nextTurn = turn + 1
      else if (ratio !== undefined) await this.#judge(group, ratio, turn)
    } catch (error) {
      const { namespace } = group
      this.#options.log.error({ namespace, err: messageOf(error) }, 'the guard cannot measure')
      group.nextTurn = turn + failedTurns
    } finally {
      this.#pair = undefined
    }
  }

  async #judge(group: Group, ratio: number, turn: number): Promise<void> {
    const { namespace, limitPercent } = group
    group.ratios = [...group.ratios, ratio].slice(-keptPairs)
    const findings = findingsOf(group.ratios, 1 + limitPercent / 100)
    if (!findings) return
    group.findings = findings
    this.#options.log.debug({ namespace, pair: ratio, ...findings }, 'the guard has compared')
    if (findings.isSuspicious) group.nextTurn = turn + 1
    if (findings.trips && this.#groups.get(keyOf(group)) === group)
      await this.#hold(group, findings)
  }

  async #hold(group: Group, { ratio, atLeast = ratio }: Findings): Promise<void> {
    const { reconciler, log, tell } = this.#options
    const { namespace, limitPercent, ratios } = group
    group.heldSince = new Date().toISOString()
    await reconciler.override(this, (pod) => (this.holds(pod) ? onTcp(pod) : pod))
    const facts = {
      namespace,
      limitPercent,
      pairs: ratios.length,
      p99Ratio: rounded(ratio),
      p99AtLeast: rounded(atLeast),
    }
    log.warn(facts, 'held on TCP: acceleration makes it slower')
    tell(
      namespace,
      'GuardTripped',
      `since ${group.heldSince} its pods on this node are on TCP: acceleration made their p99 ${rounded(ratio)} times ` +
        `as long (at least ${rounded(atLeast)} with confidence), and the guard allows ${limitPercent} % more; ` +
        'meshaccel.io/guard: "off" or another limit ends this',
    )
  }

  #cookiesOf(group: Group): bigint[] {
    return this.#options.reconciler.seen.flatMap((pod) =>
      pod.enrolled && pod.netnsCookie !== undefined && this.#groupOf(pod) === group
        ? [pod.netnsCookie]
        : [],
    )
  }

  #groupOf(pod: Pod): Group | undefined {
    const { namespace } = pod
    return this.#groups.get(keyOf({ namespace, limitPercent: this.#limitOf(pod) }))
  }

  #limitOf({ guard }: Pod): number {
    return guard ?? this.#options.percent
  }
}

/** A namespace has no blank in its name. */
const keyOf = ({ namespace, limitPercent }: Pick<Group, 'namespace' | 'limitPercent'>): string =>
  `${namespace} ${limitPercent}`

const rounded = (ratio: number): number => Number(ratio.toFixed(2))
