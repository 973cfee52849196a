import { isDeepStrictEqual } from 'node:util'
import { BackOff } from '../../lib/back-off.ts'
import { messageOf } from '../../lib/errno.ts'
import type { Log } from '../../lib/log.ts'
import { podKey, type NetnsRef } from '../../pods/observed-pod.ts'
import type { NetnsFinder } from './finder.ts'

/** A pod whose namespace is wanted. */
export interface WantedPod {
  readonly namespace: string
  readonly name: string
  /** What kubelet and the container runtime know it by. */
  readonly uid: string
  /** Changes when the pod may have another sandbox than before: its addresses. Empty before it has one. */
  readonly fingerprint: string
}

/** What a CNI plugin knows at ADD, before any process of the pod runs. */
export interface AnnouncedSandbox {
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  readonly containerId: string
  readonly netnsPath: string
}

interface Announced extends AnnouncedSandbox {
  readonly netns: NetnsRef
}

export interface NetnsSearchOptions {
  /** In the order in which they are asked for what those before have not found. */
  readonly finders: readonly NetnsFinder[]
  /** Something that was found is another one than before. */
  readonly changed: () => void
  readonly log: Log
  /** Whether an announced path can be used from here. */
  readonly isReachable: (path: string) => boolean
  readonly times?: SearchTimes
}

export interface SearchTimes {
  readonly firstRetryMs: number
  readonly longestRetryMs: number
  /** A sandbox that is made anew is noticed by the pod's new address; else at the next look at all of them. */
  readonly recheckMs: number
}

const usualTimes: SearchTimes = { firstRetryMs: 100, longestRetryMs: 5_000, recheckMs: 10_000 }

/**
 * Where the pods' network namespaces are: what the CNI plugin announced, else what the finders tell. One look at a
 * time, for all pods that are due; what cannot be looked up now keeps the last answer.
 */
export class NetnsSearch implements Disposable {
  readonly #options: NetnsSearchOptions
  readonly #times: SearchTimes
  /** By uid. */
  #wanted: ReadonlyMap<string, WantedPod> = new Map()
  readonly #found = new Map<string, NetnsRef>()
  readonly #announced = new Map<string, Announced>()
  /** Uids to look for next. */
  readonly #due = new Set<string>()
  /** Uids that the last look has not found. */
  #missing: ReadonlySet<string> = new Set()
  #looking: Promise<void> | undefined
  readonly #recheck: NodeJS.Timeout
  #retry: NodeJS.Timeout | undefined
  readonly #backOff: BackOff
  #lastError = ''
  /** Nothing was wanted before: what an earlier agent knew is looked for. */
  #isFirst = true
  #closed = false

  constructor(options: NetnsSearchOptions) {
    this.#options = options
    this.#times = options.times ?? usualTimes
    const { firstRetryMs: firstMs, longestRetryMs: longestMs } = this.#times
    this.#backOff = new BackOff({ firstMs, longestMs })
    this.#recheck = setInterval(() => {
      void this.#look(this.#wanted.keys())
    }, this.#times.recheckMs).unref()
  }

  /** The same object for as long as it is the same namespace. */
  of(pod: Pick<WantedPod, 'namespace' | 'name' | 'uid'>): NetnsRef | undefined {
    return this.#announcedFor(pod)?.netns ?? this.#found.get(pod.uid)
  }

  /** Takes all pods whose namespaces are wanted from now on; settles when each has been looked for once. */
  want(pods: readonly WantedPod[]): Promise<void> {
    const before = this.#wanted
    this.#wanted = new Map(pods.map((pod) => [pod.uid, pod]))
    for (const uid of this.#found.keys()) if (!this.#wanted.has(uid)) this.#found.delete(uid)
    // Before it has an address, a pod that comes has no sandbox that anybody but a CNI plugin could tell of.
    const fresh = pods.filter(
      ({ uid, fingerprint }) =>
        before.get(uid)?.fingerprint !== fingerprint && (fingerprint !== '' || this.#isFirst),
    )
    this.#isFirst = false
    if (fresh.length === 0) return this.#looking ?? Promise.resolve()
    this.#backOff.reset()
    return this.#look(fresh.map(({ uid }) => uid))
  }

  /** A sandbox is up. */
  announce(sandbox: AnnouncedSandbox): void {
    if (!this.#options.isReachable(sandbox.netnsPath)) return
    this.#announced.set(podKey(sandbox), { ...sandbox, netns: { path: sandbox.netnsPath } })
    this.#options.changed()
  }

  /** Sandboxes for which `isGone` is true are no more. */
  forget(isGone: (containerId: string) => boolean): void {
    const gone = new Set<string>()
    for (const [key, { containerId }] of this.#announced) {
      if (!isGone(containerId)) continue
      gone.add(key)
      this.#announced.delete(key)
    }
    if (gone.size === 0) return
    this.#options.changed()
    const pods = [...this.#wanted.values()].filter((pod) => gone.has(podKey(pod)))
    void this.#look(pods.map(({ uid }) => uid))
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearInterval(this.#recheck)
    clearTimeout(this.#retry)
  }

  /** Looks for these as well, after the look under way if there is one. */
  #look(uids: Iterable<string>): Promise<void> {
    for (const uid of uids) this.#due.add(uid)
    // One that has nothing to do would be over before it is remembered, and stay remembered.
    if (this.#due.size === 0) return this.#looking ?? Promise.resolve()
    this.#looking ??= this.#lookUntilDone()
    return this.#looking
  }

  async #lookUntilDone(): Promise<void> {
    // Those that wait to be looked for again come along.
    clearTimeout(this.#retry)
    for (const uid of this.#missing) this.#due.add(uid)
    const missing = new Set<string>()
    this.#missing = missing
    while (this.#due.size > 0 && !this.#closed) {
      const pods = [...this.#due].flatMap((uid) => this.#wanted.get(uid) ?? [])
      this.#due.clear()
      for (const uid of await this.#lookOnce(pods.filter((pod) => !this.#announcedFor(pod)))) {
        missing.add(uid)
      }
    }
    this.#looking = undefined
    if (missing.size === 0 || this.#closed) return
    this.#retry = setTimeout(() => void this.#look(missing), this.#backOff.next()).unref()
  }

  /** The uids of those that were not found and should have been. */
  async #lookOnce(pods: readonly WantedPod[]): Promise<readonly string[]> {
    const { found, certain } = await this.#ask(pods)
    let changed = false
    for (const { uid } of pods) {
      const now = found.get(uid)
      const isSame = isDeepStrictEqual(now, this.#found.get(uid))
      if (isSame || !this.#wanted.has(uid) || (!now && !certain)) continue
      if (now) this.#found.set(uid, now)
      else this.#found.delete(uid)
      changed = true
    }
    if (changed && !this.#closed) this.#options.changed()
    return pods.flatMap(({ uid, fingerprint }) => (found.has(uid) || fingerprint === '' ? [] : uid))
  }

  /** What the finders tell; `certain` when all that were asked could tell. */
  async #ask(
    pods: readonly WantedPod[],
  ): Promise<{ found: ReadonlyMap<string, NetnsRef>; certain: boolean }> {
    const found = new Map<string, NetnsRef>()
    let missing = pods
    let error = ''
    for (const finder of this.#options.finders) {
      if (missing.length === 0) break
      try {
        const uids = new Set(missing.map(({ uid }) => uid))
        for (const [uid, ref] of await finder.find(uids)) found.set(uid, ref)
        // Without an address a pod may have no sandbox yet; with one, somebody else must know it.
        missing = missing.filter(({ uid, fingerprint }) => fingerprint !== '' && !found.has(uid))
      } catch (failure) {
        error = messageOf(failure)
      }
    }
    this.#say(error)
    return { found, certain: error === '' }
  }

  #announcedFor(pod: Pick<WantedPod, 'namespace' | 'name' | 'uid'>): Announced | undefined {
    const announced = this.#announced.get(podKey(pod))
    // A pod of the same name may have been there before.
    return announced && (announced.uid ?? pod.uid) === pod.uid ? announced : undefined
  }

  #say(error: string): void {
    if (error && error !== this.#lastError) {
      this.#options.log.warn({ err: error }, 'the container runtime cannot be asked')
    }
    this.#lastError = error
  }
}
