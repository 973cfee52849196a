import { type Mesh, sidecarMeshes, ztunnel as ztunnelIdentity } from '../../pods/meshes.ts'
import { injectors, type Injector, type Setting } from './injectors.ts'
import type { ContainerFacts, PodSpecFacts } from './pod-spec.ts'

/** A proxy as its mesh injected it. */
export interface Sidecar {
  readonly mesh: Mesh
  /**
   * `sidecar`: a container beside the application's. `native sidecar`: an init container that keeps running (Kubernetes
   * 1.28). `gateway`: the only program of the pod. `ztunnel`: a proxy of the node.
   */
  readonly kind: 'sidecar' | 'native sidecar' | 'gateway' | 'ztunnel'
  /** 0: the uid does not distinguish it from the pod's other programs. */
  readonly proxyUid: number
  /** Distinguishes a sidecar that runs as root from the application. */
  readonly proxyGid?: number
  /** Absent: the mesh redirects nothing to it. */
  readonly redirects?: {
    /** The ports to which the mesh's rules send incoming and outgoing connections. */
    readonly inboundPort: number
    readonly outboundPort: number
    /** Traffic that bypasses the sidecar under these rules: ports, ranges and CIDRs as the injector writes them. */
    readonly bypass: {
      readonly inboundPorts: readonly string[]
      readonly outboundPorts: readonly string[]
      readonly outboundCidrs: readonly string[]
    }
  }
}

/** `ambient`: the mesh serves the pod without a sidecar, and the pod contains no proxy socket now. */
export type Recognition = { readonly sidecar: Sidecar } | { readonly ambient: true } | undefined

/** The mesh that serves the pod, and its proxy. Pure. */
export function recognise(pod: PodSpecFacts): Recognition {
  const { containers = [], initContainers = [] } = pod.spec ?? {}
  const { annotations = {}, labels = {} } = pod.metadata ?? {}
  // If the user has put a stub for the sidecar among the containers, the injected one is native.
  const running = [...initContainers.filter(isNative), ...containers]
  const gateway = gatewayOf(running, pod)
  if (gateway) return { sidecar: gateway }
  for (const injector of injectors) {
    const proxy = running.find(({ name }) => sidecarMeshes[injector.mesh].containers.test(name))
    if (!proxy) continue
    // Ztunnel's own pod: its sockets are in other pods' namespaces.
    if (proxy.args?.includes('ztunnel')) return { ambient: true }
    return { sidecar: sidecar(injector, proxy, pod) }
  }
  const redirection = annotations['ambient.istio.io/redirection']
  if (redirection === 'enabled') return { sidecar: ztunnel }
  const isAmbient = redirection !== undefined || labels['istio.io/dataplane-mode'] === 'ambient'
  return isAmbient ? { ambient: true } : undefined
}

/** It opens its sockets in the pods' namespaces. */
const ztunnel: Sidecar = { mesh: 'ambient', kind: 'ztunnel', ...ztunnelIdentity }

const isGateway = ({ args = [] }: ContainerFacts): boolean =>
  args.includes('router') || args.includes('waypoint')

/** A proxy that is the whole pod, such as a gateway or a waypoint. */
function gatewayOf(running: readonly ContainerFacts[], pod: PodSpecFacts): Sidecar | undefined {
  const { annotations = {}, labels = {} } = pod.metadata ?? {}
  const gateway = (mesh: Mesh, proxy: ContainerFacts, otherwise: number): Sidecar => ({
    mesh,
    kind: 'gateway',
    ...identityOf(proxy, pod, otherwise),
  })
  const { istio } = sidecarMeshes
  const envoy = running.find(({ name }) => istio.containers.test(name))
  if (envoy && isGateway(envoy)) return gateway('istio', envoy, istio.proxy.proxyUid)
  const agent = running.find(({ name }) => name === 'agentgateway')
  const isIstios = labels['gateway.istio.io/managed']?.startsWith('istio.io-agentgateway')
  if (agent && isIstios) return gateway('istio', agent, 10_101)
  // Consul names the container after the Gateway. The image chooses the uid.
  const [only] = running
  const isConsuls = annotations['consul.hashicorp.com/gateway-kind'] !== undefined
  return isConsuls && only ? gateway('consul', only, 0) : undefined
}

function sidecar(injector: Injector, proxy: ContainerFacts, pod: PodSpecFacts): Sidecar {
  const rules = (pod.spec?.initContainers ?? []).find(({ name }) => injector.rules.includes(name))
  const args = rules?.args ?? []
  const annotations = pod.metadata?.annotations ?? {}
  const config = injector.config?.(pod)
  const text = ({ flags, annotations: keys }: Setting<unknown>): string | undefined =>
    flagOf(args, flags) ?? keys.map((key) => annotations[key]).find((value) => value !== undefined)
  const port = (setting: Setting<number>): number => {
    const said = Number(text(setting))
    return Number.isInteger(said) && said > 0 && said < 65_536 ? said : setting.otherwise
  }
  const list = (setting: Setting<readonly string[]>): readonly string[] =>
    text(setting)
      ?.split(',')
      .map((entry) => entry.trim())
      .filter(Boolean) ?? setting.otherwise

  const facts: Sidecar = {
    mesh: injector.mesh,
    kind: isNative(proxy) ? 'native sidecar' : 'sidecar',
    ...identityOf(proxy, pod, config?.proxyUid ?? sidecarMeshes[injector.mesh].proxy.proxyUid),
  }
  if (injector.redirects?.(pod) === false) return facts
  return {
    ...facts,
    redirects: {
      inboundPort: config?.inboundPort ?? port(injector.inboundPort),
      outboundPort: config?.outboundPort ?? port(injector.outboundPort),
      bypass: {
        inboundPorts: config?.inboundPorts ?? list(injector.inboundPorts),
        outboundPorts: config?.outboundPorts ?? list(injector.outboundPorts),
        outboundCidrs: config?.outboundCidrs ?? list(injector.outboundCidrs),
      },
    },
  }
}

function identityOf(
  { securityContext: own = {} }: ContainerFacts,
  pod: PodSpecFacts,
  otherwise: number,
): Pick<Sidecar, 'proxyUid' | 'proxyGid'> {
  const { securityContext: ofPod = {} } = pod.spec ?? {}
  const proxyGid = own.runAsGroup ?? ofPod.runAsGroup
  return {
    proxyUid: own.runAsUser ?? ofPod.runAsUser ?? otherwise,
    ...(proxyGid === undefined ? {} : { proxyGid }),
  }
}

function isNative({ restartPolicy }: ContainerFacts): boolean {
  return restartPolicy === 'Always'
}

/** The value of a flag, written `-p 15001`, `--port 15001` or `--port=15001`. */
function flagOf(args: readonly string[], flags: readonly string[]): string | undefined {
  for (const [index, arg] of args.entries()) {
    if (flags.includes(arg)) return args[index + 1]
    const flag = flags.find((candidate) => arg.startsWith(`${candidate}=`))
    if (flag !== undefined) return arg.slice(flag.length + 1)
  }
  return undefined
}

/** Half a sentence for users. */
export function describe({ kind, proxyUid, proxyGid, redirects }: Sidecar): string {
  const group = proxyGid === undefined ? '' : `, gid ${proxyGid}`
  const who = proxyUid === 0 && proxyGid === undefined ? '' : ` as uid ${proxyUid}${group}`
  if (kind === 'ztunnel') return `ztunnel${who} on the node`
  if (!redirects) return `${kind}${who}`
  const { inboundPort, outboundPort, bypass } = redirects
  const passes = [
    ['inbound ports', bypass.inboundPorts],
    ['outbound ports', bypass.outboundPorts],
    ['outbound addresses', bypass.outboundCidrs],
  ] as const
  const passing = passes
    .filter(([, list]) => list.length > 0)
    .map(([what, list]) => `${what} ${list.slice(0, maxShown).join(' ')}`)
  return [
    `${kind}${who}`,
    `takes connections in at port ${inboundPort} and out at ${outboundPort}`,
    ...(passing.length > 0 ? [`the mesh lets pass by it: ${passing.join(', ')}`] : []),
  ].join('; ')
}

const maxShown = 20
