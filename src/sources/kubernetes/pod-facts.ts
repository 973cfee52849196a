import type { ObservedPod } from '../../pods/observed-pod.ts'
import type { PodSpecFacts } from './pod-spec.ts'
import { describe, recognise, type Sidecar } from './recognise.ts'
import { readSettings, type Settings } from './settings.ts'

/** An object as the API server writes it, with only the fields that we read. */
export interface KubeObject extends PodSpecFacts {
  readonly metadata?: PodSpecFacts['metadata'] & {
    readonly name?: string
    readonly namespace?: string
    readonly uid?: string
    readonly resourceVersion?: string
  }
  readonly spec?: PodSpecFacts['spec'] & { readonly hostNetwork?: boolean }
  readonly status?: {
    readonly phase?: string
    readonly podIPs?: readonly { readonly ip?: string }[]
    readonly podIP?: string
  }
}

/** The part of a pod that is kept. */
export interface PodFacts {
  /** The pod without its network namespace and without its namespace's settings. */
  readonly observed: ObservedPod
  /** The uid that kubelet and the container runtime use for the pod. */
  readonly runtimeUid: string
  /** The mistakes in its annotations, in sentences for its user. */
  readonly problems: readonly string[]
}

/** The part of a namespace that is kept, if it has settings. */
export interface NamespaceFacts {
  readonly uid: string
  readonly settings: Settings
  /** The mistakes in its annotations, in sentences for its user. */
  readonly problems: readonly string[]
}

/** On the API object of a static pod. That object, the mirror, has a uid that the node does not know. */
const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** Reduces a pod to what enrolment needs. Pure. */
export function podFacts(pod: KubeObject): PodFacts {
  const { name = '', namespace = '', uid = '', annotations = {}, labels = {} } = pod.metadata ?? {}
  const { settings, problems } = readSettings({ annotations, labels }, 'the pod is')
  const recognised = recognise(pod)
  const phase = pod.status?.phase
  const ips = (pod.status?.podIPs ?? [{ ip: pod.status?.podIP }]).flatMap(({ ip }) => ip || [])
  return {
    observed: {
      namespace,
      name,
      uid,
      ips,
      ...(recognised && 'sidecar' in recognised ? proxyFacts(recognised.sidecar) : {}),
      ...(recognised && 'ambient' in recognised ? { ambient: true } : {}),
      ...(pod.spec?.hostNetwork ? { hostNetwork: true } : {}),
      ...(phase === 'Succeeded' || phase === 'Failed' ? { finished: true } : {}),
      ...settings,
    },
    runtimeUid: annotations[mirrorAnnotation] ?? uid,
    problems,
  }
}

function proxyFacts(
  sidecar: Sidecar,
): Pick<ObservedPod, 'mesh' | 'proxyUid' | 'proxyGid' | 'proxy'> {
  const { mesh, proxyUid, proxyGid } = sidecar
  return {
    mesh,
    proxyUid,
    ...(proxyGid === undefined ? {} : { proxyGid }),
    proxy: describe(sidecar),
  }
}

/** Reduces a namespace to what its pods need. Returns undefined if it has no settings, as is usual. Pure. */
export function namespaceFacts(namespace: KubeObject): NamespaceFacts | undefined {
  const { uid = '', annotations = {}, labels = {} } = namespace.metadata ?? {}
  const { settings, problems } = readSettings({ annotations, labels }, 'its pods are')
  if (Object.keys(settings).length === 0 && problems.length === 0) return undefined
  return { uid, settings, problems }
}
