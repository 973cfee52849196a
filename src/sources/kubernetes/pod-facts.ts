import type { ObservedPod } from '../../pods/observed-pod.ts'
import type { PodSpecFacts } from './pod-spec.ts'
import { describe, recognise, type Sidecar } from './recognise.ts'
import { readSettings, type Settings } from './settings.ts'

/** An object as the API server writes it; only the fields that are read. */
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

/** What is kept of a pod. */
export interface PodFacts {
  /** All but where its network namespace is and what its namespace says. */
  readonly observed: ObservedPod
  /** What kubelet and the container runtime know the pod by. */
  readonly runtimeUid: string
  /** The mistakes in its annotations, in sentences for its user. */
  readonly problems: readonly string[]
}

/** What is kept of a namespace that says anything. */
export interface NamespaceFacts {
  readonly uid: string
  readonly settings: Settings
  /** The mistakes in its annotations, in sentences for its user. */
  readonly problems: readonly string[]
}

/** Of a static pod: its API object, the mirror, has a uid that the node does not know. */
const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** Keeps of a pod what enrolment needs. Pure. */
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

/** Keeps of a namespace what its pods need; undefined when it says nothing, as most do. Pure. */
export function namespaceFacts(namespace: KubeObject): NamespaceFacts | undefined {
  const { uid = '', annotations = {}, labels = {} } = namespace.metadata ?? {}
  const { settings, problems } = readSettings({ annotations, labels }, 'its pods are')
  if (Object.keys(settings).length === 0 && problems.length === 0) return undefined
  return { uid, settings, problems }
}
