import { isExplained } from '../lib/errors.ts'
import { podKey, type NetnsRef, type ObservedPod } from '../pods/observed-pod.ts'
import type { FoundNetns, NetnsResolution, NotEnrolledReason } from './desired.ts'

/** Looks namespaces up. Both functions throw a MeshaccelError; its code says why they failed. */
export interface NetnsLookup {
  /** Enters the namespace and queries it. Reads its addresses only if they are wanted. */
  readonly resolve: (ref: NetnsRef, wantsIps: boolean) => FoundNetns
  /** A text that identifies the namespace behind a reference, without entering it. It takes some microseconds. */
  readonly identify: (ref: NetnsRef) => string
}

interface Entry {
  readonly ref: NetnsRef
  readonly identity: string
  readonly resolution: NetnsResolution
  /** The error, if the lookup failed. */
  readonly error?: unknown
}

/**
 * A pod whose source does not know its addresses is looked up again once in this many passes, because the addresses may
 * change.
 */
const refreshEvery = 30

/**
 * A cache of the pods' namespaces. Entering one takes a fraction of a millisecond, and no event says that another one
 * has replaced it. So a pass compares identities. It enters namespaces that are new, have changed, or failed before.
 */
export class NetnsCache {
  readonly #lookup: NetnsLookup
  /** Entries by podKey. */
  #entries = new Map<string, Entry>()
  #looks = 0

  constructor(lookup: NetnsLookup) {
    this.#lookup = lookup
  }

  /** Replaces the set of pods. `look`: also check the pods that were found before. */
  update(pods: readonly ObservedPod[], look: boolean): void {
    if (look) this.#looks += 1
    const entries = new Map<string, Entry>()
    for (const [index, pod] of pods.entries()) {
      if (pod.netns === undefined) continue
      const key = podKey(pod)
      const last = this.#entries.get(key)
      const wantsIps = pod.ips === undefined
      const isTurn = wantsIps && (this.#looks + index) % refreshEvery === 0
      entries.set(key, this.#entry(pod.netns, last, { look, isTurn, wantsIps }))
    }
    this.#entries = entries
  }

  /** The result for a pod, by podKey. The object keeps its identity until the next lookup. */
  get(key: string): NetnsResolution | undefined {
    return this.#entries.get(key)?.resolution
  }

  /** The errors of failed lookups, by podKey. */
  *errors(): Generator<[string, unknown]> {
    for (const [key, { error }] of this.#entries) if (error !== undefined) yield [key, error]
  }

  #entry(
    ref: NetnsRef,
    last: Entry | undefined,
    { look, isTurn, wantsIps }: Record<'look' | 'isTurn' | 'wantsIps', boolean>,
  ): Entry {
    const isSameRef = last !== undefined && sameRef(last.ref, ref)
    if (isSameRef && !look) return last
    let identity = ''
    try {
      // Identify before the lookup: the next pass notices a change in between.
      identity = this.#lookup.identify(ref)
      if (isSameRef && !isTurn && last.error === undefined && last.identity === identity)
        return last
      return { ref, identity, resolution: this.#lookup.resolve(ref, wantsIps) }
    } catch (error) {
      return { ref, identity, resolution: { reason: reasonOf(error) }, error }
    }
  }
}

function sameRef(one: NetnsRef, other: NetnsRef): boolean {
  if ('path' in one) return 'path' in other && one.path === other.path
  return 'pid' in other && one.pid === other.pid
}

const reasonByCode: Readonly<Record<string, NotEnrolledReason>> = {
  NETNS_GONE: 'netns-gone',
  PID_GONE: 'pid-gone',
  NOT_A_NETNS: 'not-a-netns',
  NETNS_FORBIDDEN: 'netns-forbidden',
  FOREIGN_USER_NAMESPACE: 'foreign-user-namespace',
  HOST_NETWORK: 'host-network',
  OUTSIDE_CGROUP: 'outside-cgroup',
  NETNS_COOKIE_UNSUPPORTED: 'netns-cookie-unsupported',
}

/** The reason for a pod whose lookup failed. */
export function reasonOf(error: unknown): NotEnrolledReason {
  const reason = isExplained(error) ? reasonByCode[error.code] : undefined
  return reason ?? 'netns-forbidden'
}
