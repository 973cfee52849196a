/**
 * The facts about each mesh that more than one place needs, as its injector has them by default. How an injector leaves
 * its traces in a pod is in `sources/kubernetes/injectors.ts`.
 */

/** Tells the proxy from the other programs of its pod. */
export interface ProxyIdentity {
  readonly proxyUid: number
  /** Where the uid is one that an application may have, too. */
  readonly proxyGid?: number
}

export interface SidecarMesh {
  /** As people write it. */
  readonly title: string
  readonly proxy: ProxyIdentity
  /** The names of the containers that are its sidecars. */
  readonly containers: RegExp
  /** Where its rules send connections that come in, and those that go out. */
  readonly inboundPort: number
  readonly outboundPort: number
}

/** `ambient`: Istio's, where a proxy of the node opens its sockets inside of the pod's network namespace. */
export type Mesh = SidecarMeshName | 'ambient'
export type SidecarMeshName = 'istio' | 'linkerd' | 'kuma' | 'consul'

export const sidecarMeshes: Readonly<Record<SidecarMeshName, SidecarMesh>> = {
  istio: {
    title: 'Istio',
    proxy: { proxyUid: 1337 },
    containers: /^istio-proxy$/,
    inboundPort: 15006,
    outboundPort: 15001,
  },
  linkerd: {
    title: 'Linkerd',
    proxy: { proxyUid: 2102 },
    containers: /^linkerd-proxy$/,
    inboundPort: 4143,
    outboundPort: 4140,
  },
  kuma: {
    title: 'Kuma',
    proxy: { proxyUid: 5678 },
    containers: /^kuma-sidecar$/,
    inboundPort: 15006,
    outboundPort: 15001,
  },
  consul: {
    title: 'Consul',
    proxy: { proxyUid: 5995 },
    // A pod of several services has a sidecar for each, named after it. Up to Consul 1.13 they were Envoys.
    containers: /^(consul-dataplane|envoy-sidecar)(-.+)?$/,
    inboundPort: 20000,
    outboundPort: 15001,
  },
}

/**
 * Istio's ztunnel: one process on the node serves all pods. It runs as root, as any application may; its group is that
 * of Istio's sidecars (manifests/charts/ztunnel of istio/istio).
 */
export const ztunnel: ProxyIdentity = { proxyUid: 0, proxyGid: 1337 }

/** Whom each mesh runs its proxy as. */
export const proxyOf = (mesh: Mesh): ProxyIdentity =>
  mesh === 'ambient' ? ztunnel : sidecarMeshes[mesh].proxy
