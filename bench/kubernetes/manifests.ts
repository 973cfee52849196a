import type { V1Affinity, V1Namespace, V1Pod, V1Service } from '@kubernetes/client-node'
import { annotationKey } from '../../src/pods/annotation-keys.ts'
import type { MeshName } from '../topology/mesh.ts'

export const SERVER_PORT = 8080
const APP = 'app.kubernetes.io/name'

/** The label of everything that a run creates. It finds what a killed run left. */
export const PART_OF = 'app.kubernetes.io/part-of=meshaccel-bench'

/** One side of the comparison: a namespace with a server and a load pod. */
export interface Arm {
  readonly namespace: string
  readonly accelerated: boolean
}

export interface PodPlan {
  readonly arm: Arm
  readonly mesh: MeshName
  readonly image: string
  /** The node that it must run on; undefined: the scheduler chooses. */
  readonly node: string | undefined
}

/** A namespace into which the mesh injects its sidecar. The two differ only in our annotation. */
export function namespaceOf(arm: Arm, mesh: MeshName, revision: string | undefined): V1Namespace {
  const istio: Record<string, string> =
    revision === undefined ? { 'istio-injection': 'enabled' } : { 'istio.io/rev': revision }
  const [key = '', value = ''] = PART_OF.split('=')
  return {
    metadata: {
      name: arm.namespace,
      labels: { [key]: value, ...(mesh === 'istio' ? istio : {}) },
      annotations: {
        [annotationKey('enabled')]: String(arm.accelerated),
        ...(mesh === 'linkerd' ? { 'linkerd.io/inject': 'enabled' } : {}),
      },
    },
  }
}

export const serviceOf = (): V1Service => ({
  metadata: { name: 'server' },
  spec: {
    selector: { [APP]: 'server' },
    // The port's name tells the mesh the protocol.
    ports: [{ name: 'http', port: SERVER_PORT, targetPort: SERVER_PORT }],
  },
})

export const serverPod = (plan: PodPlan): V1Pod =>
  pod(plan, 'server', [
    'server',
    `-http-port=${SERVER_PORT}`,
    ...['grpc', 'tcp', 'udp', 'redirect'].map((port) => `-${port}-port=disabled`),
  ])

export interface LoadPlan {
  readonly name: string
  readonly payloadBytes: number
  readonly connections: number
  readonly durationSeconds: number
  /** Requests per second; by default as many as possible. */
  readonly rate?: number
}

/** A pod that runs once and prints its result as JSON. */
export function loadPod(plan: PodPlan, load: LoadPlan): V1Pod {
  const args = [
    'load',
    '-json=-',
    '-loglevel=error',
    `-c=${load.connections}`,
    `-qps=${load.rate ?? 0}`,
    `-t=${load.durationSeconds}s`,
    // The histogram's resolution in seconds.
    '-r=0.00001',
    '-p=50,90,99,99.9',
    `http://server:${SERVER_PORT}/?size=${load.payloadBytes}`,
  ]
  return pod(plan, load.name, args, 'Never')
}

/** The name of our container in these pods. */
export const CONTAINER = 'fortio'

function pod(
  { mesh, image, node }: PodPlan,
  name: string,
  args: string[],
  restartPolicy: 'Always' | 'Never' = 'Always',
): V1Pod {
  return {
    metadata: {
      name,
      labels: { [APP]: name },
      annotations:
        mesh === 'istio'
          ? { 'proxy.istio.io/config': '{"holdApplicationUntilProxyStarts": true}' }
          : {},
    },
    spec: {
      containers: [
        {
          name: CONTAINER,
          image,
          args,
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      restartPolicy,
      terminationGracePeriodSeconds: 0,
      ...(node === undefined ? {} : { affinity: onNode(node) }),
    },
  }
}

/** Uses affinity, because `nodeName` would bypass the scheduler's other checks. */
const onNode = (node: string): V1Affinity => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [
        { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] },
      ],
    },
  },
})
