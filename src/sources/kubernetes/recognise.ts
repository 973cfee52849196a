import type { Mesh } from '../../observed-pod.ts'

/** The part of a pod (core/v1) that tells its mesh. */
export interface PodSpecFacts {
  readonly metadata?: {
    readonly annotations?: Readonly<Record<string, string>>
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly spec?: {
    readonly containers?: readonly ContainerFacts[]
    readonly initContainers?: readonly ContainerFacts[]
    readonly securityContext?: { readonly runAsUser?: number }
  }
}

export interface ContainerFacts {
  readonly name: string
  readonly args?: readonly string[]
  readonly restartPolicy?: string
  readonly securityContext?: { readonly runAsUser?: number }
}

/** A sidecar as its injector made it. */
export interface Sidecar {
  readonly mesh: Mesh
  /** An init container that keeps running (Kubernetes 1.28), rather than one beside the application's. */
  readonly native: boolean
  readonly proxyUid: number
  /** Where the mesh's rules send incoming and outgoing connections to. */
  readonly inboundPort: number
  readonly outboundPort: number
  /** What the mesh's own rules let pass by the sidecar: ports, ranges and CIDRs as the injector writes them. */
  readonly bypass: {
    readonly inboundPorts: readonly string[]
    readonly outboundPorts: readonly string[]
    readonly outboundCidrs: readonly string[]
  }
}

export type Recognition = { readonly sidecar: Sidecar } | { readonly ambient: true } | undefined

/** How an injector leaves its traces: names of containers, flags of the init container, annotations. */
interface Injector {
  readonly mesh: Mesh
  readonly containers: readonly string[]
  /** The init container that makes the rules, or checks those that the mesh's CNI plugin has made. */
  readonly rules: readonly string[]
  readonly uid: number
  readonly inboundPort: Setting<number>
  readonly outboundPort: Setting<number>
  readonly inboundPorts: Setting<readonly string[]>
  readonly outboundPorts: Setting<readonly string[]>
  readonly outboundCidrs: Setting<readonly string[]>
}

/** The flags that carry a setting, the annotations that do where there are no flags, and what holds without either. */
interface Setting<Value> {
  readonly flags: readonly string[]
  readonly annotations: readonly string[]
  readonly otherwise: Value
}

const injectors: readonly Injector[] = [
  {
    mesh: 'istio',
    containers: ['istio-proxy'],
    rules: ['istio-init', 'istio-validation'],
    uid: 1337,
    inboundPort: { flags: ['-z'], annotations: [], otherwise: 15006 },
    outboundPort: { flags: ['-p'], annotations: [], otherwise: 15001 },
    inboundPorts: {
      flags: ['-d'],
      annotations: ['traffic.sidecar.istio.io/excludeInboundPorts'],
      otherwise: [],
    },
    outboundPorts: {
      flags: ['-o'],
      annotations: ['traffic.sidecar.istio.io/excludeOutboundPorts'],
      otherwise: [],
    },
    outboundCidrs: {
      flags: ['-x'],
      annotations: ['traffic.sidecar.istio.io/excludeOutboundIPRanges'],
      otherwise: [],
    },
  },
  {
    mesh: 'linkerd',
    containers: ['linkerd-proxy'],
    rules: ['linkerd-init'],
    uid: 2102,
    inboundPort: {
      flags: ['--incoming-proxy-port'],
      annotations: ['config.linkerd.io/inbound-port'],
      otherwise: 4143,
    },
    outboundPort: {
      flags: ['--outgoing-proxy-port'],
      annotations: ['config.linkerd.io/outbound-port'],
      otherwise: 4140,
    },
    inboundPorts: {
      flags: ['--inbound-ports-to-ignore'],
      annotations: ['config.linkerd.io/skip-inbound-ports'],
      otherwise: [],
    },
    outboundPorts: {
      flags: ['--outbound-ports-to-ignore'],
      annotations: ['config.linkerd.io/skip-outbound-ports'],
      otherwise: [],
    },
    outboundCidrs: {
      flags: ['--subnets-to-ignore'],
      annotations: ['config.linkerd.io/skip-subnets'],
      otherwise: [],
    },
  },
  {
    mesh: 'kuma',
    containers: ['kuma-sidecar'],
    rules: ['kuma-init', 'kuma-validation'],
    uid: 5678,
    inboundPort: {
      flags: ['--redirect-inbound-port'],
      annotations: ['kuma.io/transparent-proxying-inbound-port'],
      otherwise: 15006,
    },
    outboundPort: {
      flags: ['--redirect-outbound-port'],
      annotations: ['kuma.io/transparent-proxying-outbound-port'],
      otherwise: 15001,
    },
    inboundPorts: {
      flags: ['--exclude-inbound-ports'],
      annotations: ['traffic.kuma.io/exclude-inbound-ports'],
      otherwise: [],
    },
    outboundPorts: {
      flags: ['--exclude-outbound-ports'],
      annotations: ['traffic.kuma.io/exclude-outbound-ports'],
      otherwise: [],
    },
    outboundCidrs: {
      flags: ['--exclude-outbound-ips'],
      annotations: ['traffic.kuma.io/exclude-outbound-ips'],
      otherwise: [],
    },
  },
  {
    mesh: 'consul',
    // The second one up to Consul 1.13.
    containers: ['consul-dataplane', 'envoy-sidecar'],
    rules: [],
    uid: 5995,
    inboundPort: { flags: [], annotations: [], otherwise: 20000 },
    outboundPort: { flags: [], annotations: [], otherwise: 15001 },
    inboundPorts: {
      flags: [],
      annotations: ['consul.hashicorp.com/transparent-proxy-exclude-inbound-ports'],
      otherwise: [],
    },
    outboundPorts: {
      flags: [],
      annotations: ['consul.hashicorp.com/transparent-proxy-exclude-outbound-ports'],
      otherwise: [],
    },
    outboundCidrs: {
      flags: [],
      annotations: ['consul.hashicorp.com/transparent-proxy-exclude-outbound-cidrs'],
      otherwise: [],
    },
  },
]

/** Which mesh has injected its sidecar into the pod, or serves it without one. Pure. */
export function recognise(pod: PodSpecFacts): Recognition {
  const { containers = [], initContainers = [] } = pod.spec ?? {}
  const running = [...containers, ...initContainers.filter(isNative)]
  for (const injector of injectors) {
    const proxy = running.find(({ name }) => injector.containers.includes(name))
    if (!proxy) continue
    // Ztunnel and waypoints carry other pods' connections, in other pods' namespaces.
    if (proxy.args?.some((arg) => arg === 'ztunnel' || arg === 'waypoint')) return { ambient: true }
    return { sidecar: sidecar(injector, proxy, pod) }
  }
  const { annotations = {}, labels = {} } = pod.metadata ?? {}
  const ambient =
    annotations['ambient.istio.io/redirection'] === 'enabled' ||
    labels['istio.io/dataplane-mode'] === 'ambient'
  return ambient ? { ambient } : undefined
}

function sidecar(injector: Injector, proxy: ContainerFacts, pod: PodSpecFacts): Sidecar {
  const { initContainers = [], securityContext } = pod.spec ?? {}
  const args = initContainers.find(({ name }) => injector.rules.includes(name))?.args ?? []
  const annotations = pod.metadata?.annotations ?? {}
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

  return {
    mesh: injector.mesh,
    native: isNative(proxy),
    proxyUid: proxy.securityContext?.runAsUser ?? securityContext?.runAsUser ?? injector.uid,
    inboundPort: port(injector.inboundPort),
    outboundPort: port(injector.outboundPort),
    bypass: {
      inboundPorts: list(injector.inboundPorts),
      outboundPorts: list(injector.outboundPorts),
      outboundCidrs: list(injector.outboundCidrs),
    },
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
