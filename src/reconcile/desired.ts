import type { PodNetns } from '../datapath/datapath.ts'
import { proxyOf, type Mesh } from '../pods/meshes.ts'
import { podKey, type ObservedPod } from '../pods/observed-pod.ts'

/** What became of looking up a pod's network namespace. */
export type NetnsResolution = FoundNetns | { readonly reason: NotEnrolledReason }

export interface FoundNetns {
  readonly netnsCookie: bigint
  readonly netnsPath: string
  readonly ips: readonly string[]
}

/** Why a pod that a source reports is not enrolled. */
export const notEnrolledReasons = [
  /** The pod, its namespace, the file or the agent's default says so. */
  'disabled',
  /** It shares the host's network namespace. */
  'host-network',
  /** Its containers have ended for good. */
  'finished',
  /** Its mesh has no sidecars, and does not redirect its traffic either. */
  'ambient',
  /** Nothing tells the sidecar: neither a known mesh nor a uid. */
  'no-mesh',
  /** Its user excludes traffic, and nobody can read which. */
  'exclusions-invalid',
  /** Its user wants something, and nobody can read what. */
  'annotation-unknown',
  /** Nobody has found its network namespace yet. */
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
  /** The data path could not take it; it is tried again. */
  'enrol-failed',
] as const

export type NotEnrolledReason = (typeof notEnrolledReasons)[number]

/** A pod that a source reports, and what the agent made of it. */
export interface SeenPod {
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  readonly mesh?: Mesh
  /** Its proxy in words. */
  readonly proxy?: string
  readonly enrolled: boolean
  /** Why not, exactly when it is not enrolled. */
  readonly reason?: NotEnrolledReason
  /** What its user has written wrong. */
  readonly problem?: string
  readonly netnsCookie?: bigint
  readonly ips: readonly string[]
}

export interface DesiredState {
  /** Every pod of the sources in their order. */
  readonly seen: readonly SeenPod[]
  /** What the maps should hold, by netns cookie. */
  readonly enrolments: ReadonlyMap<bigint, PodNetns>
}

export interface DesiredOptions {
  /** Whether a pod that does not say is enabled. */
  readonly defaultEnabled: boolean
  /** The self-test's policy is `refused`. */
  readonly refused: boolean
}

/** What the observed facts alone keep from enrolment, in the order in which a user can do something about it. Pure. */
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
 * The desired state that follows from the observed facts. Pure. `resolutions` is by podKey. Of what stays the same
 * object in there, what follows does so, too.
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

/** The last one of each pod: most stay the same while others churn. */
const outcomes = new WeakMap<ObservedPod, Outcome>()

/** `reason`: why it is not enrolled. */
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
  const { namespace, name, uid, mesh, proxy, problem } = pod
  return {
    namespace,
    name,
    ...(uid === undefined ? {} : { uid }),
    ...(mesh === undefined ? {} : { mesh }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(problem === undefined ? {} : { problem }),
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
