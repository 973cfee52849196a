/** The meshes whose rules the bench can set up. */
export type MeshName = 'istio' | 'linkerd'

/** The settings that a mesh's proxies share with its rules. */
export interface Mesh {
  readonly name: MeshName
  /** The mesh's name for people. */
  readonly title: string
  readonly proxyUid: number
  readonly outboundPort: number
  readonly inboundPort: number
  /** The source address of the inbound proxy's connections to the application. */
  readonly inboundSource: string
}

export const meshes: Readonly<Record<MeshName, Mesh>> = {
  istio: {
    name: 'istio',
    title: 'Istio',
    proxyUid: 1337,
    outboundPort: 15001,
    inboundPort: 15006,
    inboundSource: '127.0.0.6',
  },
  linkerd: {
    name: 'linkerd',
    title: 'Linkerd',
    proxyUid: 2102,
    outboundPort: 4140,
    inboundPort: 4143,
    inboundSource: '127.0.0.1',
  },
}
