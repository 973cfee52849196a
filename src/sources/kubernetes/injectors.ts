import type { Mesh } from '../../pods/observed-pod.ts'
import type { PodSpecFacts } from './pod-spec.ts'
import { consulConfig, kumaConfig, type RedirectConfig } from './redirect-config.ts'

/** The traces that an injector leaves in a pod: container names, flags of the init container, annotations. */
export interface Injector {
  readonly mesh: Mesh
  readonly containers: RegExp
  /** The init container that creates the rules, or checks the rules of the mesh's CNI plugin. */
  readonly rules: readonly string[]
  readonly uid: number
  /** Whether its rules redirect anything; absent: always. */
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
    containers: /^istio-proxy$/,
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
    containers: /^linkerd-proxy$/,
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
    containers: /^kuma-sidecar$/,
    rules: ['kuma-init', 'kuma-validation'],
    uid: 5678,
    config: kumaConfig,
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
    // A pod with several services has a sidecar for each, named after the service. Up to Consul 1.13 they were Envoys.
    containers: /^(consul-dataplane|envoy-sidecar)(-.+)?$/,
    rules: [],
    uid: 5995,
    redirects: (pod) =>
      consulConfig(pod) !== undefined ||
      pod.metadata?.annotations?.['consul.hashicorp.com/transparent-proxy-status'] === 'enabled',
    config: consulConfig,
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
