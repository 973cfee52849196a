import type { Exclusions } from '../pods/exclusions.ts'
import type { ObservedPod } from '../pods/observed-pod.ts'

/** A trial of a namespace: whether its pods are accelerated at the moment. */
export interface TrialState {
  readonly namespace: string
  readonly on: boolean
}

/** Every connection has a port. So this keeps a pod on TCP, and the pod is watched and measured as an enrolled one. */
const everything: Exclusions = { ports: [{ from: 1, to: 65_535 }], cidrs: [], uids: [] }

/** Both forms of a pod. The same pod gives the same objects, so that callers can compare by identity. */
const forms = new WeakMap<ObservedPod, Readonly<Record<'on' | 'off', ObservedPod>>>()

/**
 * The pod as the trial wants it. The trial leaves pods alone that their users have disabled. It respects all other
 * settings, too.
 */
export function inTrial(pod: ObservedPod, { namespace, on }: TrialState): ObservedPod {
  if (pod.namespace !== namespace || pod.enabled === false) return pod
  const both = formsOf(pod)
  return on ? both.on : both.off
}

/** The pod as it is enrolled and kept on TCP, whatever its user has set. */
export const keptOnTcp = (pod: ObservedPod): ObservedPod => formsOf(pod).off

function formsOf(pod: ObservedPod): Readonly<Record<'on' | 'off', ObservedPod>> {
  let both = forms.get(pod)
  if (!both) {
    const enabled = { ...pod, enabled: true }
    const isReadable = pod.exclusions !== 'invalid'
    both = { on: enabled, off: isReadable ? { ...enabled, exclusions: everything } : enabled }
    forms.set(pod, both)
  }
  return both
}
