import type { KubeObject } from '../../src/sources/kubernetes/pod-facts.ts'

export const node = 'node-1'

export interface PodChanges {
  readonly uid?: string
  readonly ip?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly phase?: string
  readonly node?: string
  readonly sidecar?: boolean
}

/** A pod as the API server stores it. It has Istio's sidecar by default. */
export function kubePod(key: string, changes: PodChanges = {}): KubeObject {
  const [namespace = '', name = ''] = key.split('/')
  const { uid = `uid-${name}`, ip, annotations = {}, phase = 'Running', sidecar = true } = changes
  const spec = {
    nodeName: changes.node ?? node,
    containers: [{ name: 'app' }, ...(sidecar ? [{ name: 'istio-proxy' }] : [])],
  }
  return {
    metadata: { namespace, name, uid, annotations },
    spec,
    status: { phase, ...(ip === undefined ? {} : { podIPs: [{ ip }] }) },
  }
}

export function kubeNamespace(
  name: string,
  enabled?: string,
  annotations: Readonly<Record<string, string>> = {},
): KubeObject {
  return {
    metadata: {
      name,
      uid: `uid-${name}`,
      annotations: {
        ...(enabled === undefined ? {} : { 'meshaccel.io/enabled': enabled }),
        ...annotations,
      },
    },
  }
}
