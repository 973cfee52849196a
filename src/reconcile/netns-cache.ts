import { isExplained } from '../lib/errors.ts'
import { podKey, type NetnsRef, type ObservedPod } from '../pods/observed-pod.ts'
import type { FoundNetns, NetnsResolution, NotEnrolledReason } from './desired.ts'

/** How namespaces are looked up; both throw a MeshaccelError whose code says why they cannot. */
export interface NetnsLookup {
  /** Enters the namespace and asks it; for its addresses only if they are wanted. */
  readonly resolve: (ref: NetnsRef, wantsIps: boolean) => FoundNetns
  /** What tells one namespace behind a reference from the next, without entering it: some microseconds. */
  readonly identify: (ref: NetnsRef) => string
}

interface Entry {
  readonly ref: NetnsRef
  readonly identity: string
  readonly resolution: NetnsResolution
  /** Why it failed. */
  readonly error?: unknown
}

/** Of so many looks at all namespaces, each is asked anew in one whose addresses only itself knows: they may change. */
const refreshEvery = 30

/**
 * The pods' namespaces as they were last looked up. Entering one takes a fraction of a millisecond, and nothing tells
 * when another one takes its place: a look compares identities, and enters what is new, what has changed and what failed.
 */
export class NetnsCache {
  readonly #lookup: NetnsLookup
  /** By podKey. */
  #entries = new Map<string, Entry>()
  #looks = 0

  constructor(lookup: NetnsLookup) {
    this.#lookup = lookup
  }

  /** Takes the pods for all there are. `look`: also at those that were found before. */
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

  /** What became of the pod's, by podKey. The same object until it is looked up anew. */
  get(key: string): NetnsResolution | undefined {
    return this.#entries.get(key)?.resolution
  }

  /** Why lookups failed, by podKey. */
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
      // Before the lookup: what changes in between shows at the next look.
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

/** Why a pod whose namespace cannot be looked up is not enrolled. */
export function reasonOf(error: unknown): NotEnrolledReason {
  const reason = isExplained(error) ? reasonByCode[error.code] : undefined
  return reason ?? 'netns-forbidden'
}
