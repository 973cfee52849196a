import { sidecarMeshes } from '../../src/pods/meshes.ts'

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

function meshOf(name: MeshName, inboundSource: string): Mesh {
  const { title, proxy, outboundPort, inboundPort } = sidecarMeshes[name]
  return { name, title, proxyUid: proxy.proxyUid, outboundPort, inboundPort, inboundSource }
}

export const meshes: Readonly<Record<MeshName, Mesh>> = {
  istio: meshOf('istio', '127.0.0.6'),
  linkerd: meshOf('linkerd', '127.0.0.1'),
}
