import type { ObservedPod } from '../pods/observed-pod.ts'
import { onTcp } from './on-tcp.ts'

/** A trial of a namespace: whether its pods are accelerated at the moment. */
export interface TrialState {
  readonly namespace: string
  readonly on: boolean
}

/** The same pod gives the same object, so that callers can compare by identity. */
const enabledForms = new WeakMap<ObservedPod, ObservedPod>()

/**
 * The pod as the trial wants it. The trial leaves pods alone that their users have disabled. It respects all other
 * settings, too.
 */
export function inTrial(pod: ObservedPod, { namespace, on }: TrialState): ObservedPod {
  if (pod.namespace !== namespace || pod.enabled === false) return pod
  return on ? enabledForm(pod) : keptOnTcp(pod)
}

/** The pod as it is enrolled and kept on TCP, whatever its user has set. */
export const keptOnTcp = (pod: ObservedPod): ObservedPod => onTcp(enabledForm(pod))

function enabledForm(pod: ObservedPod): ObservedPod {
  let enabled = enabledForms.get(pod)
  if (!enabled) enabledForms.set(pod, (enabled = { ...pod, enabled: true }))
  return enabled
}
