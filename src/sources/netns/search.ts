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
  /** The uid that kubelet and the container runtime use. */
  readonly uid: string
  /** The pod's addresses: a change means that the pod may have another sandbox. Empty before the pod has an address. */
  readonly fingerprint: string
}

/** A sandbox as a CNI plugin knows it at ADD, before any process of the pod runs. */
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
  /** Finders in order. Each is asked for what the earlier ones did not find. */
  readonly finders: readonly NetnsFinder[]
  /** Called when a found namespace has changed. */
  readonly changed: () => void
  readonly log: Log
  /** Whether this process can use an announced path. */
  readonly isReachable: (path: string) => boolean
  readonly times?: SearchTimes
}

export interface SearchTimes {
  readonly firstRetryMs: number
  readonly longestRetryMs: number
  /** The interval of searches for all pods. A new sandbox usually shows earlier, by the pod's new address. */
  readonly recheckMs: number
}

const usualTimes: SearchTimes = { firstRetryMs: 100, longestRetryMs: 5_000, recheckMs: 10_000 }

/**
 * The network namespaces of pods: as the CNI plugin announced them, else as the finders report them. One search at a
 * time serves all pods that are due. If a search fails, the last answer stays.
 */
export class NetnsSearch implements Disposable {
  readonly #options: NetnsSearchOptions
  readonly #times: SearchTimes
  /** Wanted pods, by uid. */
  #wanted: ReadonlyMap<string, WantedPod> = new Map()
  readonly #found = new Map<string, NetnsRef>()
  readonly #announced = new Map<string, Announced>()
  /** Uids for the next search. */
  readonly #due = new Set<string>()
  /** Uids that the last search did not find. */
  #missing: ReadonlySet<string> = new Set()
  #looking: Promise<void> | undefined
  readonly #recheck: NodeJS.Timeout
  #retry: NodeJS.Timeout | undefined
  readonly #backOff: BackOff
  #lastError = ''
  /**
   * True until the first `want()`. The first time, pods without an address are searched, too: an earlier agent may have
   * enrolled them.
   */
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

  /** The pod's namespace. The object keeps its identity while the namespace does. */
  of(pod: Pick<WantedPod, 'namespace' | 'name' | 'uid'>): NetnsRef | undefined {
    return this.#announcedFor(pod)?.netns ?? this.#found.get(pod.uid)
  }

  /** Sets the pods whose namespaces are wanted. Settles when each has been searched for once. */
  want(pods: readonly WantedPod[]): Promise<void> {
    const before = this.#wanted
    this.#wanted = new Map(pods.map((pod) => [pod.uid, pod]))
    for (const uid of this.#found.keys()) if (!this.#wanted.has(uid)) this.#found.delete(uid)
    // A new pod without an address has no sandbox that a finder could know. Only a CNI plugin knows it so early.
    const fresh = pods.filter(
      ({ uid, fingerprint }) =>
        before.get(uid)?.fingerprint !== fingerprint && (fingerprint !== '' || this.#isFirst),
    )
    this.#isFirst = false
    if (fresh.length === 0) return this.#looking ?? Promise.resolve()
    this.#backOff.reset()
    return this.#look(fresh.map(({ uid }) => uid))
  }

  /** Records the sandbox of a pod, if its path is reachable. */
  announce(sandbox: AnnouncedSandbox): void {
    if (!this.#options.isReachable(sandbox.netnsPath)) return
    this.#announced.set(podKey(sandbox), { ...sandbox, netns: { path: sandbox.netnsPath } })
    this.#options.changed()
  }

  /** Forgets sandboxes for which `isGone` returns true. */
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

  /** Searches for these uids, after the current search if there is one. */
  #look(uids: Iterable<string>): Promise<void> {
    for (const uid of uids) this.#due.add(uid)
    // An empty search would end before the assignment below, which would then keep it for ever.
    if (this.#due.size === 0) return this.#looking ?? Promise.resolve()
    this.#looking ??= this.#lookUntilDone()
    return this.#looking
  }

  async #lookUntilDone(): Promise<void> {
    // Includes the uids that wait for a retry.
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

  /** Searches once. Returns the uids that should have been found but were not. */
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

  /** Asks the finders. `certain` is true if all finders that were asked could answer. */
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
        // A pod without an address may have no sandbox yet. A pod with one must be known to another finder.
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
    // An earlier pod may have had the same name.
    return announced && (announced.uid ?? pod.uid) === pod.uid ? announced : undefined
  }

  #say(error: string): void {
    if (error && error !== this.#lastError) {
      this.#options.log.warn({ err: error }, 'the container runtime cannot be asked')
    }
    this.#lastError = error
  }
}
