import type { Endpoint } from '../system/endpoint.ts'
import type { Hop } from './hop.ts'

const LIMIT = 1_000_000
const TYPES = 'type.googleapis.com/envoy.extensions'

type Json = { readonly [key: string]: unknown }

/** The bootstrap file for Envoy as one sidecar, with listeners and clusters like Istio's. JSON is valid YAML. */
export function envoyConfig(hop: Hop): string {
  const original = !('socket' in hop.listen)
  const listener: Json = {
    name: hop.direction,
    address: socketAddress(hop.listen),
    ...(hop.transparent ? { transparent: true } : {}),
    listener_filters: original
      ? [
          {
            name: 'original_dst',
            typed_config: { '@type': `${TYPES}.filters.listener.original_dst.v3.OriginalDst` },
          },
        ]
      : [],
    filter_chains: [
      {
        filters: [hop.protocol === 'http' ? httpFilter : tcpFilter],
        ...(hop.tls && hop.direction === 'inbound'
          ? { transport_socket: tlsSocket('Downstream', hop) }
          : {}),
      },
    ],
  }
  const bootstrap = {
    static_resources: { listeners: [listener], clusters: [cluster(hop)] },
  }
  return `${JSON.stringify(bootstrap, undefined, 2)}\n`
}

function cluster(hop: Hop): Json {
  const { forward } = hop
  return {
    name: 'next',
    connect_timeout: '5s',
    ...('socket' in forward
      ? { type: 'STATIC', load_assignment: assignment(forward) }
      : { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' }),
    circuit_breakers: {
      thresholds: [
        {
          max_connections: LIMIT,
          max_pending_requests: LIMIT,
          max_requests: LIMIT,
          max_retries: LIMIT,
        },
      ],
    },
    ...(hop.source === undefined
      ? {}
      : { upstream_bind_config: { source_address: { address: hop.source, port_value: 0 } } }),
    ...(hop.tls && hop.direction === 'outbound'
      ? { transport_socket: tlsSocket('Upstream', hop) }
      : {}),
  }
}

const assignment = (endpoint: Endpoint): Json => ({
  cluster_name: 'next',
  endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(endpoint) } }] }],
})

const httpFilter: Json = {
  name: 'http',
  typed_config: {
    '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'http',
    generate_request_id: false,
    route_config: {
      virtual_hosts: [
        {
          name: 'any',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'next', timeout: '0s' } }],
        },
      ],
    },
    http_filters: [
      { name: 'router', typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` } },
    ],
  },
}

const tcpFilter: Json = {
  name: 'tcp',
  typed_config: {
    '@type': `${TYPES}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'tcp',
    cluster: 'next',
  },
}

const file = (path: string | undefined): Json => ({ filename: path })

function tlsSocket(side: 'Upstream' | 'Downstream', { tls }: Hop): Json {
  return {
    name: 'tls',
    typed_config: {
      '@type': `${TYPES}.transport_sockets.tls.v3.${side}TlsContext`,
      common_tls_context: {
        tls_certificates: [
          { certificate_chain: file(tls?.certificate), private_key: file(tls?.key) },
        ],
        validation_context: { trusted_ca: file(tls?.authority) },
      },
      ...(side === 'Downstream' ? { require_client_certificate: true } : {}),
    },
  }
}

const socketAddress = (endpoint: Endpoint): Json =>
  'socket' in endpoint
    ? { pipe: { path: endpoint.socket, mode: 0o666 } }
    : { socket_address: { address: endpoint.host, port_value: endpoint.port } }
