import type { Datapath, PodNetns } from '../datapath/datapath.ts'
import { BackOff } from '../lib/back-off.ts'
import { messageOf } from '../lib/errno.ts'
import type { Log } from '../lib/log.ts'
import { podKey, type ObservedPod } from '../pods/observed-pod.ts'
import { desiredState, type NetnsResolution, notEnrolledBecause, type SeenPod } from './desired.ts'
import { NetnsCache, reasonOf, type NetnsLookup } from './netns-cache.ts'
import { plan } from './plan.ts'
import { type Candidate, candidatesOf, withWatched } from './watch.ts'

/** Calls `run` after `delayMs`, unless disposed of before. */
export type Timer = (delayMs: number, run: () => void) => Disposable

/** Changes what the sources say about a pod. It must give the same object for the same pod. */
export type Override = (pod: ObservedPod) => ObservedPod

export interface ReconcilerOptions {
  readonly datapath: Pick<Datapath, 'policy' | 'enrolled' | 'enrol' | 'withdraw'>
  readonly netns: NetnsLookup
  readonly defaultEnabled: boolean
  readonly log: Log
  readonly timer?: Timer
  /** Called after each run. */
  readonly onRun?: (run: ReconcileRun) => void
}

export interface ReconcileRun {
  readonly seconds: number
  readonly seen: readonly SeenPod[]
}

/** The interval of passes over all namespaces. They are replaced under the same path without any event. */
const resyncMs = 2_000
const firstRetryMs = 100
const longestRetryMs = 30_000

/**
 * Brings the maps to the state that the sources report. Each run compares the whole of both. So a missed event, a
 * failed step or an earlier agent's leftovers need no special case. Runs never overlap. A request during a run adds one
 * more run.
 */
export class Reconciler implements Disposable {
  readonly #options: ReconcilerOptions
  readonly #timer: Timer
  readonly #netns: NetnsCache
  #pods: readonly ObservedPod[] = []
  #seen: readonly SeenPod[] = []
  /** By owner. */
  readonly #overrides = new Map<object, Override>()
  /** Pods that are watched and kept on TCP, by podKey. */
  #watched: ReadonlySet<string> = new Set()
  /** The enrolments that this agent wrote. They supply what the maps do not hold. */
  readonly #applied = new Map<bigint, PodNetns>()
  /** The last log message about each pod, so that it is logged once. */
  #said = new Map<string, string>()
  #queued = false
  /** The time of the last pass over all namespaces. */
  #lookedAt = -Infinity
  #closed = false
  readonly #backOff = new BackOff({ firstMs: firstRetryMs, longestMs: longestRetryMs })
  #next: Disposable | undefined
  #settled: Signal | undefined

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#timer = options.timer ?? systemTimer
    this.#netns = new NetnsCache(options.netns)
  }

  /** Every pod of the sources, with the last run's decision. */
  get seen(): readonly SeenPod[] {
    return this.#seen
  }

  /** Replaces the pods by all pods of the sources, and requests a run. Resolves after it. */
  update(pods: readonly ObservedPod[]): Promise<void> {
    this.#pods = pods
    return this.#request()
  }

  /** The network namespaces that this agent has enrolled, by netns cookie. */
  get applied(): ReadonlyMap<bigint, PodNetns> {
    return this.#applied
  }

  /**
   * Overrides the settings of pods until the owner's next call; undefined ends the override. Those of several owners add
   * up. Resolves once the maps follow.
   */
  override(owner: object, change: Override | undefined): Promise<void> {
    if (change) this.#overrides.set(owner, change)
    else this.#overrides.delete(owner)
    return this.#request()
  }

  /** The network namespace of a pod, by podKey. Undefined if its source does not know one. */
  netnsOf(key: string): NetnsResolution | undefined {
    return this.#netns.get(key)
  }

  /** The pods that are not enabled. */
  candidates(): Candidate[] {
    const { datapath, defaultEnabled } = this.#options
    const refused = datapath.policy === 'refused'
    return candidatesOf(this.#pods, this.#netns, { defaultEnabled, refused })
  }

  /**
   * Watches the connections of these candidates, by podKey, until the next call. None of them joins, and the pods are
   * not seen as enrolled. Resolves once the maps follow.
   */
  watch(pods: ReadonlySet<string>): Promise<void> {
    this.#watched = pods
    return this.#request()
  }

  /** Stops the runs. The maps stay as they are. */
  [Symbol.dispose](): void {
    this.#closed = true
    this.#next?.[Symbol.dispose]()
    this.#settled?.resolve()
  }

  #request(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#settled ??= new Signal()
    const { promise } = this.#settled
    if (!this.#queued) {
      this.#queued = true
      setImmediate(() => this.#run())
    }
    return promise
  }

  #run(): void {
    const settled = this.#settled
    this.#queued = false
    this.#settled = undefined
    if (!this.#closed) {
      this.#next?.[Symbol.dispose]()
      const begin = performance.now()
      const complete = this.#reconcile()
      const seconds = (performance.now() - begin) / 1000
      this.#options.onRun?.({ seconds, seen: this.#seen })
      const delayMs = complete ? resyncMs : this.#backOff.next()
      if (complete) this.#backOff.reset()
      this.#next = this.#timer(delayMs, () => {
        this.#lookedAt = -Infinity
        void this.#request()
      })
    }
    settled?.resolve()
  }

  /** Runs once. Returns whether every step worked. */
  #reconcile(): boolean {
    const { datapath, defaultEnabled, log } = this.#options
    const refused = datapath.policy === 'refused'
    this.#lookUp()
    let pods = this.#pods
    for (const change of this.#overrides.values()) pods = pods.map(change)
    const withOthers = withWatched(pods, this.#watched, defaultEnabled)
    const options = { defaultEnabled, refused }
    const desired = desiredState(withOthers, this.#netns, options)
    const isSame = withOthers === pods
    this.#seen = (isSame ? desired : desiredState(pods, this.#netns, options)).seen
    if (refused) return this.#sayWhatChanged()

    const failed = new Set<bigint>()
    try {
      const enrolled = datapath.enrolled()
      const current = new Map([...enrolled].map((cookie) => [cookie, this.#applied.get(cookie)]))
      const { enrol, withdraw } = plan(desired.enrolments, current)
      for (const cookie of withdraw) if (!this.#withdraw(cookie)) failed.add(cookie)
      for (const pod of enrol) if (!this.#enrol(pod)) failed.add(pod.netnsCookie)
    } catch (error) {
      log.error({ err: messageOf(error) }, 'the maps cannot be read')
      return false
    }
    if (failed.size > 0) {
      this.#seen = this.#seen.map((pod) =>
        pod.enrolled && pod.netnsCookie !== undefined && failed.has(pod.netnsCookie)
          ? { ...pod, enrolled: false, reason: 'enrol-failed' }
          : pod,
      )
    }
    return this.#sayWhatChanged() && failed.size === 0
  }

  #enrol(pod: PodNetns): boolean {
    try {
      this.#options.datapath.enrol(pod)
      this.#applied.set(pod.netnsCookie, pod)
      return true
    } catch (error) {
      this.#options.log.error({ netns: pod.netnsPath, err: messageOf(error) }, 'cannot enrol')
      return false
    }
  }

  #withdraw(cookie: bigint): boolean {
    try {
      this.#options.datapath.withdraw(cookie)
      this.#applied.delete(cookie)
      this.#options.log.info({ netnsCookie: String(cookie) }, 'withdrawn')
      return true
    } catch (error) {
      this.#options.log.error(
        { netnsCookie: String(cookie), err: messageOf(error) },
        'cannot withdraw',
      )
      return false
    }
  }

  /** While pods churn, runs follow each other faster than a pass over all namespaces is worth. */
  #lookUp(): void {
    const now = performance.now()
    const look = now - this.#lookedAt > resyncMs
    if (look) this.#lookedAt = now
    this.#netns.update(this.#pods, look)
    const errors = new Map(this.#netns.errors())
    if (errors.size === 0) return
    for (const pod of this.#pods) {
      const error = errors.get(podKey(pod))
      if (error === undefined) continue
      // A pod that would not be enrolled may well be gone already.
      if (notEnrolledBecause(pod, this.#options.defaultEnabled) === undefined) {
        this.#sayOnce(pod, error)
      }
    }
  }

  #sayOnce(pod: ObservedPod, error: unknown): void {
    const reason = reasonOf(error)
    if (this.#said.get(podKey(pod)) === `unresolved: ${reason}`) return
    this.#said.set(podKey(pod), `unresolved: ${reason}`)
    this.#options.log.warn({ pod: podKey(pod), reason, err: messageOf(error) }, 'not enrolled')
  }

  #sayWhatChanged(): true {
    const before = this.#said
    this.#said = new Map()
    for (const pod of this.#seen) {
      const key = podKey(pod)
      const last = before.get(key)
      const now = pod.enrolled ? 'enrolled' : (pod.reason ?? '')
      const unresolved = last === `unresolved: ${now}`
      this.#said.set(key, unresolved ? last : now)
      if (last === now || unresolved) continue
      if (pod.enrolled)
        this.#options.log.info({ pod: key, netnsCookie: String(pod.netnsCookie) }, 'enrolled')
      else this.#options.log.info({ pod: key, reason: now }, 'not enrolled')
    }
    return true
  }
}

/** A promise that is settled from outside. */
class Signal {
  readonly promise: Promise<void>
  #settle: () => void = () => undefined

  constructor() {
    this.promise = new Promise((settle) => (this.#settle = settle))
  }

  resolve(): void {
    this.#settle()
  }
}

const systemTimer: Timer = (delayMs, run) => {
  const timer = setTimeout(run, delayMs).unref()
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}
