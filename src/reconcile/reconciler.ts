import type { Datapath, PodNetns } from '../datapath/datapath.ts'
import { messageOf } from '../errno.ts'
import { MeshaccelError } from '../errors.ts'
import type { Log } from '../log.ts'
import { podKey, type NetnsRef, type ObservedPod } from '../observed-pod.ts'
import {
  desiredState,
  type NetnsResolution,
  type NotEnrolledReason,
  type SeenPod,
} from './desired.ts'
import { plan } from './plan.ts'

/** Calls `run` after `delayMs` unless disposed before. */
export type Timer = (delayMs: number, run: () => void) => Disposable

export interface ReconcilerOptions {
  readonly datapath: Pick<Datapath, 'policy' | 'enrolled' | 'enrol' | 'withdraw'>
  /** Looks a network namespace up; throws a MeshaccelError whose code says why it cannot. */
  readonly resolve: (ref: NetnsRef) => {
    netnsCookie: bigint
    netnsPath: string
    ips: readonly string[]
  }
  readonly defaultEnabled: boolean
  readonly log: Log
  readonly timer?: Timer
}

/** Namespaces come and go under the same path without any event; so often are they all looked up again. */
const resyncMs = 2_000
const firstRetryMs = 100
const longestRetryMs = 30_000

/**
 * Brings the maps to what the sources say. Each run looks at the whole of both, so that a missed event, a failed step
 * or an earlier agent's leftovers need no case of their own. Runs never overlap; a request during one adds one more.
 */
export class Reconciler implements Disposable {
  readonly #options: ReconcilerOptions
  readonly #timer: Timer
  #pods: readonly ObservedPod[] = []
  #seen: readonly SeenPod[] = []
  /** What this agent put into the maps, for whatever the maps do not tell. */
  readonly #applied = new Map<bigint, PodNetns>()
  /** What was last said of a pod, so that it is said once. */
  #said = new Map<string, string>()
  #queued = false
  #closed = false
  #retryMs = firstRetryMs
  #next: Disposable | undefined
  #settled: Signal | undefined

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#timer = options.timer ?? systemTimer
  }

  /** Every pod of the sources and what became of it in the last run. */
  get seen(): readonly SeenPod[] {
    return this.#seen
  }

  /** Takes the sources' pods, all of them, and asks for a run; resolves after it. */
  update(pods: readonly ObservedPod[]): Promise<void> {
    this.#pods = pods
    return this.#request()
  }

  /** Ends the runs; the maps stay as they are. */
  [Symbol.dispose](): void {
    this.#closed = true
    this.#next?.[Symbol.dispose]()
    this.#settled?.resolve()
  }

  #request(): Promise<void> {
    this.#settled ??= new Signal()
    const { promise } = this.#settled
    if (!this.#queued && !this.#closed) {
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
      const complete = this.#reconcile()
      const delayMs = complete ? resyncMs : this.#retryMs
      this.#retryMs = complete ? firstRetryMs : Math.min(this.#retryMs * 2, longestRetryMs)
      this.#next = this.#timer(delayMs, () => void this.#request())
    }
    settled?.resolve()
  }

  /** One run; tells whether every step worked. */
  #reconcile(): boolean {
    const { datapath, defaultEnabled, log } = this.#options
    const refused = datapath.policy === 'refused'
    const desired = desiredState(this.#pods, this.#resolveAll(), { defaultEnabled, refused })
    this.#seen = desired.seen
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
    this.#seen = desired.seen.map((pod) =>
      pod.enrolled && pod.netnsCookie !== undefined && failed.has(pod.netnsCookie)
        ? { ...pod, enrolled: false, reason: 'enrol-failed' }
        : pod,
    )
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

  #resolveAll(): Map<string, NetnsResolution> {
    return new Map(this.#pods.map((pod) => [podKey(pod), this.#resolve(pod)]))
  }

  #resolve(pod: ObservedPod): NetnsResolution {
    try {
      return this.#options.resolve(pod.netns)
    } catch (error) {
      const reason = reasonOf(error)
      // A disabled pod may well be gone already.
      if (pod.enabled ?? this.#options.defaultEnabled) {
        this.#sayOnce(pod, reason, error)
      }
      return { reason }
    }
  }

  #sayOnce(pod: ObservedPod, reason: string, error: unknown): void {
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

const reasonByCode: Readonly<Record<string, NotEnrolledReason>> = {
  NETNS_GONE: 'netns-gone',
  PID_GONE: 'pid-gone',
  NOT_A_NETNS: 'not-a-netns',
  NETNS_FORBIDDEN: 'netns-forbidden',
  FOREIGN_USER_NAMESPACE: 'foreign-user-namespace',
  HOST_NETWORK: 'host-network',
  NETNS_COOKIE_UNSUPPORTED: 'netns-cookie-unsupported',
}

function reasonOf(error: unknown): NotEnrolledReason {
  const reason = error instanceof MeshaccelError ? reasonByCode[error.code] : undefined
  return reason ?? 'netns-forbidden'
}

/** A promise for others to wait for. */
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
