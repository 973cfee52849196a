/** Parses a mesh's rules if its injector writes them as one text. */

import { parse } from 'yaml'
import { BoundedMap } from '../../lib/bounded-map.ts'
import type { PodSpecFacts } from './pod-spec.ts'

/** The settings in the text. Absent ones keep their usual source. */
export interface RedirectConfig {
  readonly proxyUid?: number
  readonly inboundPort?: number
  readonly outboundPort?: number
  readonly inboundPorts?: readonly string[]
  readonly outboundPorts?: readonly string[]
  readonly outboundCidrs?: readonly string[]
}

/** Kuma's, since 2.10: YAML in an annotation. Source: pkg/transparentproxy/config/config.go of kumahq/kuma. */
export function kumaConfig({ metadata }: PodSpecFacts): RedirectConfig | undefined {
  const text = metadata?.annotations?.['traffic.kuma.io/transparent-proxy-config']
  return remembered(text, ({ kumaDPUser, redirect }) => {
    const { inbound, outbound } = mapOf(redirect)
    const [ofInbound, ofOutbound] = [mapOf(inbound), mapOf(outbound)]
    return config({
      proxyUid: kumaDPUser,
      inboundPort: ofInbound['port'],
      outboundPort: ofOutbound['port'],
      inboundPorts: ofInbound['excludePorts'],
      outboundPorts: ofOutbound['excludePorts'],
      outboundCidrs: ofOutbound['excludePortsForIPs'],
    })
  })
}

/**
 * Consul's: JSON in an annotation for its CNI plugin, else in the environment of its init container. If it is absent,
 * nothing is redirected. Source: control-plane/connect-inject/webhook/redirect_traffic.go of hashicorp/consul-k8s.
 */
export function consulConfig({ metadata, spec }: PodSpecFacts): RedirectConfig | undefined {
  const variables = (spec?.initContainers ?? []).flatMap(({ env = [] }) => env)
  const text =
    metadata?.annotations?.['consul.hashicorp.com/redirect-traffic-config'] ??
    variables.find(({ name }) => name === 'CONSUL_REDIRECT_TRAFFIC_CONFIG')?.value
  return remembered(text, (said) =>
    config({
      proxyUid: said['ProxyUserID'],
      inboundPort: said['ProxyInboundPort'],
      outboundPort: said['ProxyOutboundPort'],
      inboundPorts: said['ExcludeInboundPorts'],
      outboundPorts: said['ExcludeOutboundPorts'],
      outboundCidrs: said['ExcludeOutboundCIDRs'],
    }),
  )
}

type Said = Readonly<Record<string, unknown>>

/** The same text is on all pods of a namespace, and in each event of them. */
const configs = new BoundedMap<string, RedirectConfig | undefined>(200)

function remembered(
  text: string | undefined,
  read: (said: Said) => RedirectConfig,
): RedirectConfig | undefined {
  if (text === undefined) return undefined
  if (configs.has(text)) return configs.get(text)
  let found: RedirectConfig | undefined
  try {
    const said: unknown = parse(text, { maxAliasCount: 0, logLevel: 'error' })
    found = isMap(said) ? read(said) : undefined
  } catch {
    // The text is not as the injector writes it: a user has edited it. Flags and other annotations apply.
  }
  configs.set(text, found)
  return found
}

function config(said: Readonly<Record<keyof RedirectConfig, unknown>>): RedirectConfig {
  const { proxyUid, inboundPort, outboundPort, ...lists } = said
  const numbers = { proxyUid, inboundPort, outboundPort }
  return Object.fromEntries([
    ...Object.entries(numbers).flatMap(([key, value]) => {
      const number = typeof value === 'string' && value !== '' ? Number(value) : value
      const fits = typeof number === 'number' && Number.isInteger(number) && number >= 0
      return fits ? [[key, number]] : []
    }),
    ...Object.entries(lists).map(([key, value]) => [
      key,
      Array.isArray(value) ? value.map(String) : [],
    ]),
  ])
}

function isMap(value: unknown): value is Said {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const mapOf = (value: unknown): Said => (isMap(value) ? value : {})
