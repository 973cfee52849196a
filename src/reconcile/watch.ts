import { podKey, type ObservedPod } from '../pods/observed-pod.ts'
import {
  desiredState,
  type DesiredOptions,
  type NetnsResolution,
  type NotEnrolledReason,
} from './desired.ts'
import { keptOnTcp } from './trial.ts'

/** A pod that is not enabled, and what would become of it if it were. */
export interface Candidate {
  /** `namespace/name`. */
  readonly pod: string
  readonly namespace: string
  /** Why it would not be enrolled. The other fields about its network namespace are set exactly if this is not. */
  readonly reason?: NotEnrolledReason
  readonly netnsCookie?: bigint
  readonly netnsPath?: string
  /** Its own setting, or that of its namespace, says `false`. */
  readonly isRefused: boolean
  /** Its user keeps some of its connections on TCP. */
  readonly hasRules: boolean
}

/** The pods that are not enabled, in their order. Pure. */
export function candidatesOf(
  pods: readonly ObservedPod[],
  resolutions: Pick<ReadonlyMap<string, NetnsResolution>, 'get'>,
  options: DesiredOptions,
): Candidate[] {
  const isOff = ({ enabled }: ObservedPod): boolean => !(enabled ?? options.defaultEnabled)
  const asIf = pods.map((pod) => (isOff(pod) ? keptOnTcp(pod) : pod))
  const { seen, enrolments } = desiredState(asIf, resolutions, options)
  return pods.flatMap((pod, index): Candidate[] => {
    const outcome = seen[index]
    if (!outcome || !isOff(pod)) return []
    const { reason, netnsCookie } = outcome
    const found = netnsCookie === undefined ? undefined : enrolments.get(netnsCookie)
    return [
      {
        pod: podKey(pod),
        namespace: pod.namespace,
        ...(reason === undefined ? {} : { reason }),
        ...(reason === undefined && found
          ? { netnsCookie: found.netnsCookie, netnsPath: found.netnsPath }
          : {}),
        isRefused: pod.enabled === false,
        hasRules: typeof pod.exclusions === 'object',
      },
    ]
  })
}

/**
 * The pods as they are with these ones, by podKey, watched like enrolled pods and kept on TCP. Pods that are enabled
 * stay as they are. Pure.
 */
export function withWatched(
  pods: readonly ObservedPod[],
  watched: ReadonlySet<string>,
  defaultEnabled: boolean,
): readonly ObservedPod[] {
  if (watched.size === 0) return pods
  return pods.map((pod) =>
    watched.has(podKey(pod)) && !(pod.enabled ?? defaultEnabled) ? keptOnTcp(pod) : pod,
  )
}
