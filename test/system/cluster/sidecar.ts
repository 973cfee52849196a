import { envoyConfig } from '../../../bench/proxies/envoy.ts'
import { meshes } from '../../../bench/topology/mesh.ts'

const { inboundPort, outboundPort, inboundSource } = meshes.istio

type Json = { readonly [key: string]: unknown }

interface Bootstrap {
  readonly static_resources: {
    readonly listeners: readonly Json[]
    readonly clusters: readonly Json[]
  }
}

/** One Envoy for both directions and for kubelet's health probes, as in Istio's sidecar. */
export function sidecarConfig(): string {
  const hop = (direction: 'inbound' | 'outbound', port: number): Bootstrap['static_resources'] => {
    const anywhere = { host: '0.0.0.0', port }
    const source = direction === 'inbound' ? { source: inboundSource } : {}
    const config = envoyConfig({
      direction,
      protocol: 'http',
      listen: anywhere,
      forward: anywhere,
      ...source,
    })
    const bootstrap: Bootstrap = JSON.parse(config.replaceAll('"next"', `"${direction}"`))
    return bootstrap.static_resources
  }
  const hops = [hop('inbound', inboundPort), hop('outbound', outboundPort)]
  return JSON.stringify({
    static_resources: {
      listeners: [...hops.flatMap(({ listeners }) => listeners), health],
      clusters: hops.flatMap(({ clusters }) => clusters),
    },
  })
}

const types = 'type.googleapis.com/envoy.extensions.filters'

const health: Json = {
  name: 'health',
  address: { socket_address: { address: '0.0.0.0', port_value: 15021 } },
  filter_chains: [
    {
      filters: [
        {
          name: 'http',
          typed_config: {
            '@type': `${types}.network.http_connection_manager.v3.HttpConnectionManager`,
            stat_prefix: 'health',
            route_config: {
              virtual_hosts: [
                {
                  name: 'any',
                  domains: ['*'],
                  routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
                },
              ],
            },
            http_filters: [
              { name: 'router', typed_config: { '@type': `${types}.http.router.v3.Router` } },
            ],
          },
        },
      ],
    },
  ],
}
