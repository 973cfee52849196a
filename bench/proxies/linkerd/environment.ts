import type { Mesh } from '../../topology/mesh.ts'
import { ADMIN_PORT } from './admin.ts'
import type { Identity } from './identity.ts'

/** The settings of one proxy. */
export interface ProxySetting {
  readonly mesh: Mesh
  /** The name of its pod. */
  readonly pod: string
  /** The address of its pod. */
  readonly address: string
  /** The port of the application in its pod. */
  readonly applicationPort: number
  readonly identity: Identity
  /** PEM of the authority's certificate. */
  readonly trustAnchors: string
  /** The port of the controllers on loopback. */
  readonly controllersPort: number
}

/** The variables that Linkerd's injector sets for a proxy, apart from those with suitable defaults. */
export function proxyEnvironment(setting: ProxySetting): Readonly<Record<string, string>> {
  const { mesh, pod, address, applicationPort, identity, trustAnchors, controllersPort } = setting
  const controllers = `127.0.0.1:${controllersPort}`
  const outbound = `127.0.0.1:${mesh.outboundPort}`
  const place = JSON.stringify({ ns: 'bench', pod })
  const networks = '10.0.0.0/8'
  const variables = {
    LOG: process.env['LINKERD2_PROXY_LOG'] ?? 'warn',
    // Sidecars usually get one CPU. The first name is that of older proxies.
    CORES: '1',
    CORES_MAX: '1',
    INBOUND_LISTEN_ADDR: `0.0.0.0:${mesh.inboundPort}`,
    // Older proxies read the first name.
    OUTBOUND_LISTEN_ADDR: outbound,
    OUTBOUND_LISTEN_ADDRS: outbound,
    ADMIN_LISTEN_ADDR: `127.0.0.1:${ADMIN_PORT}`,
    // A run ends when its load has ended, so open connections are idle.
    SHUTDOWN_GRACE_PERIOD: '0s',
    IDENTITY_DIR: identity.directory,
    IDENTITY_TRUST_ANCHORS: trustAnchors,
    IDENTITY_TOKEN_FILE: identity.tokenFile,
    IDENTITY_LOCAL_NAME: identity.name,
    IDENTITY_SVC_ADDR: controllers,
    DESTINATION_SVC_ADDR: controllers,
    DESTINATION_CONTEXT: place,
    DESTINATION_PROFILE_NETWORKS: networks,
    DESTINATION_PROFILE_SUFFIXES: 'svc.cluster.local.',
    POLICY_SVC_ADDR: controllers,
    POLICY_WORKLOAD: place,
    POLICY_CLUSTER_NETWORKS: networks,
    INBOUND_DEFAULT_POLICY: 'all-unauthenticated',
    INBOUND_IPS: address,
    INBOUND_PORTS: String(applicationPort),
  }
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [`LINKERD2_PROXY_${name}`, value]),
  )
}
