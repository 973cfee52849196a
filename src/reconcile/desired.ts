import type { PodNetns } from '../datapath/datapath.ts'
import { proxyOf, type Mesh } from '../pods/meshes.ts'
import { podKey, type ObservedPod } from '../pods/observed-pod.ts'

/** The result of looking up a pod's network namespace. */
export type NetnsResolution = FoundNetns | { readonly reason: NotEnrolledReason }

export interface FoundNetns {
  readonly netnsCookie: bigint
  readonly netnsPath: string
  readonly ips: readonly string[]
}

/** Why a reported pod is not enrolled. */
export const notEnrolledReasons = [
  /** The pod, its namespace, the pods file or the agent's default disables it. */
  'disabled',
  /** It shares the host's network namespace. */
  'host-network',
  /** Its containers have ended for good. */
  'finished',
  /** Its mesh has no sidecars and does not redirect its traffic. */
  'ambient',
  /** The sidecar is unknown: there is neither a known mesh nor a uid. */
  'no-mesh',
  /** Its user excludes traffic, but the rules are unreadable. */
  'exclusions-invalid',
  /** It has an annotation that looks like one of ours and is unknown. */
  'annotation-unknown',
  /** Its network namespace has not been found yet. */
  'netns-unknown',
  /** An earlier pod of the source has the same network namespace. */
  'duplicate-netns',
  'netns-gone',
  'pid-gone',
  'not-a-netns',
  'netns-forbidden',
  'foreign-user-namespace',
  'netns-cookie-unsupported',
  /** Its processes run outside of the cgroup that the agent watches. */
  'outside-cgroup',
  /** The self-test refuses this kernel; no pod is enrolled. */
  'refused',
  /** The data path failed to enrol it. The reconciler retries. */
  'enrol-failed',
] as const

export type NotEnrolledReason = (typeof notEnrolledReasons)[number]

/** A reported pod, and the agent's decision about it. */
export interface SeenPod {
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  readonly mesh?: Mesh
  /** Half a sentence about its proxy. */
  readonly proxy?: string
  readonly enrolled: boolean
  /** Why it is not enrolled. Set exactly if it is not. */
  readonly reason?: NotEnrolledReason
  /** The mistake in its annotations or its namespace's. */
  readonly problem?: string
  /** The limit of its guard in percent; 0: no guard. Absent: the agent's default applies. */
  readonly guard?: number
  readonly netnsCookie?: bigint
  readonly ips: readonly string[]
}

export interface DesiredState {
  /** Every pod of the sources, in their order. */
  readonly seen: readonly SeenPod[]
  /** The enrolments that the maps should hold, by netns cookie. */
  readonly enrolments: ReadonlyMap<bigint, PodNetns>
}

export interface DesiredOptions {
  /** Whether a pod without the `enabled` setting is enabled. */
  readonly defaultEnabled: boolean
  /** Whether the self-test's policy is `refused`. */
  readonly refused: boolean
}

/** The reasons that the observed facts alone give against enrolment, in the order in which a user can act on them. Pure. */
export function notEnrolledBecause(
  pod: ObservedPod,
  defaultEnabled: boolean,
): NotEnrolledReason | undefined {
  if (!(pod.enabled ?? defaultEnabled)) return 'disabled'
  if (pod.hostNetwork) return 'host-network'
  if (pod.finished) return 'finished'
  if (pod.ambient) return 'ambient'
  if (pod.mesh === undefined && pod.proxyUid === undefined) return 'no-mesh'
  if (pod.exclusions === 'invalid') return 'exclusions-invalid'
  if (pod.unknownAnnotation) return 'annotation-unknown'
  return undefined
}

/**
 * Derives the desired state from the observed facts. Pure. `resolutions` is by podKey. Results keep their object
 * identity while their inputs do.
 */
export function desiredState(
  pods: readonly ObservedPod[],
  resolutions: Pick<ReadonlyMap<string, NetnsResolution>, 'get'>,
  { defaultEnabled, refused }: DesiredOptions,
): DesiredState {
  const enrolments = new Map<bigint, PodNetns>()
  const seen = pods.map((pod): SeenPod => {
    const found = resolutions.get(podKey(pod)) ?? unknown
    const reason =
      notEnrolledBecause(pod, defaultEnabled) ??
      ('reason' in found
        ? found.reason
        : enrolments.has(found.netnsCookie)
          ? 'duplicate-netns'
          : refused
            ? 'refused'
            : undefined)
    const { seen: one, enrolment } = outcomeOf(pod, found, reason)
    if (enrolment) enrolments.set(enrolment.netnsCookie, enrolment)
    return one
  })
  return { seen, enrolments }
}

const unknown: NetnsResolution = { reason: 'netns-unknown' }

interface Outcome {
  readonly found: NetnsResolution
  readonly seen: SeenPod
  readonly enrolment?: PodNetns
}

/** A cache of each pod's last outcome: most pods stay the same while others churn. */
const outcomes = new WeakMap<ObservedPod, Outcome>()

/** Decides about one pod. `reason` says why it is not enrolled. */
function outcomeOf(
  pod: ObservedPod,
  found: NetnsResolution,
  reason: NotEnrolledReason | undefined,
): Outcome {
  const last = outcomes.get(pod)
  if (last && last.found === found && last.seen.reason === reason) return last
  const outcome = {
    found,
    seen: seenAs(pod, found, reason),
    ...(reason === undefined && 'netnsCookie' in found
      ? { enrolment: enrolmentOf(pod, found) }
      : {}),
  }
  outcomes.set(pod, outcome)
  return outcome
}

function seenAs(
  pod: ObservedPod,
  found: NetnsResolution,
  reason: NotEnrolledReason | undefined,
): SeenPod {
  const { namespace, name, uid, mesh, proxy, problem, guard } = pod
  return {
    namespace,
    name,
    ...(uid === undefined ? {} : { uid }),
    ...(mesh === undefined ? {} : { mesh }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(problem === undefined ? {} : { problem }),
    ...(guard === undefined ? {} : { guard }),
    ...('reason' in found ? {} : { netnsCookie: found.netnsCookie }),
    ips: pod.ips ?? ('reason' in found ? [] : found.ips),
    enrolled: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
  }
}

function enrolmentOf(
  { mesh, proxyUid, proxyGid, blockingReaders, exclusions }: ObservedPod,
  { netnsCookie, netnsPath }: FoundNetns,
): PodNetns {
  const proxy = proxyUid === undefined ? mesh && proxyOf(mesh) : { proxyUid }
  // notEnrolledBecause lets none pass that has neither.
  if (proxy === undefined) throw new Error('a pod without a sidecar is not enrolled')
  return {
    netnsCookie,
    netnsPath,
    ...proxy,
    ...(proxyGid === undefined ? {} : { proxyGid }),
    ...(blockingReaders === 'accelerate' ? { blockingReaders } : {}),
    ...(typeof exclusions === 'object' ? { exclusions } : {}),
  }
}
