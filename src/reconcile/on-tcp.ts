import type { Exclusions } from '../pods/exclusions.ts'
import type { ObservedPod } from '../pods/observed-pod.ts'

/** Every connection has a port. So this keeps a pod on TCP, and the pod is watched and measured as before. */
export const everything: Exclusions = {
  ports: [{ from: 1, to: 65_535 }],
  cidrs: [],
  uids: [],
}

/** The same pod gives the same object, so that callers can compare by identity. */
const forms = new WeakMap<ObservedPod, ObservedPod>()

/** The pod with a rule for all its connections. A pod whose own rules are unreadable is not enrolled anyway. */
export function onTcp(pod: ObservedPod): ObservedPod {
  if (pod.exclusions === 'invalid') return pod
  let form = forms.get(pod)
  if (!form) forms.set(pod, (form = { ...pod, exclusions: everything }))
  return form
}
