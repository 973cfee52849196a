import { sidecarMeshes, type SidecarMeshName } from '../../pods/meshes.ts'
import type { PodSpecFacts } from './pod-spec.ts'
import { consulConfig, kumaConfig, type RedirectConfig } from './redirect-config.ts'

/** How an injector leaves its traces: flags of the init container, annotations. */
export interface Injector {
  readonly mesh: SidecarMeshName
  /** The init container that makes the rules, or checks those that the mesh's CNI plugin has made. */
  readonly rules: readonly string[]
  /** Whether its rules redirect anything at all; absent: always. */
  readonly redirects?: (pod: PodSpecFacts) => boolean
  /** Its rules from one text, if the injector writes one. Then that text wins. */
  readonly config?: (pod: PodSpecFacts) => RedirectConfig | undefined
  readonly inboundPort: Setting<number>
  readonly outboundPort: Setting<number>
  readonly inboundPorts: Setting<readonly string[]>
  readonly outboundPorts: Setting<readonly string[]>
  readonly outboundCidrs: Setting<readonly string[]>
}

/** The flags that carry a setting, the annotations to use if no flag is there, and the default. */
export interface Setting<Value> {
  readonly flags: readonly string[]
  readonly annotations: readonly string[]
  readonly otherwise: Value
}

export const injectors: readonly Injector[] = [
  {
    mesh: 'istio',
    rules: ['istio-init', 'istio-validation'],
    inboundPort: { flags: ['-z'], annotations: [], otherwise: sidecarMeshes.istio.inboundPort },
    outboundPort: { flags: ['-p'], annotations: [], otherwise: sidecarMeshes.istio.outboundPort },
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
    rules: ['linkerd-init'],
    inboundPort: {
      flags: ['--incoming-proxy-port'],
      annotations: ['config.linkerd.io/inbound-port'],
      otherwise: sidecarMeshes.linkerd.inboundPort,
    },
    outboundPort: {
      flags: ['--outgoing-proxy-port'],
      annotations: ['config.linkerd.io/outbound-port'],
      otherwise: sidecarMeshes.linkerd.outboundPort,
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
    rules: ['kuma-init', 'kuma-validation'],
    config: kumaConfig,
    inboundPort: {
      flags: ['--redirect-inbound-port'],
      annotations: ['kuma.io/transparent-proxying-inbound-port'],
      otherwise: sidecarMeshes.kuma.inboundPort,
    },
    outboundPort: {
      flags: ['--redirect-outbound-port'],
      annotations: ['kuma.io/transparent-proxying-outbound-port'],
      otherwise: sidecarMeshes.kuma.outboundPort,
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
    rules: [],
    redirects: (pod) =>
      consulConfig(pod) !== undefined ||
      pod.metadata?.annotations?.['consul.hashicorp.com/transparent-proxy-status'] === 'enabled',
    config: consulConfig,
    inboundPort: { flags: [], annotations: [], otherwise: sidecarMeshes.consul.inboundPort },
    outboundPort: { flags: [], annotations: [], otherwise: sidecarMeshes.consul.outboundPort },
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
