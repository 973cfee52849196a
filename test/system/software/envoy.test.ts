import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { envoyBinary } from '../../../bench/proxies/envoy-binary.ts'
import { UndoStack } from '../../../bench/system/undo-stack.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { Client, listening, liveThrough } from './life.ts'

const PORT = 8181
const SERVERS = { http: 8081, http2: 8082, tcp: 8083, grpc: 8084 }
const TYPES = 'type.googleapis.com/envoy.extensions'

type Json = { readonly [key: string]: unknown }

void test('Envoy in the middle, for HTTP/1.1, HTTP/2, gRPC and WebSocket', async (t) => {
  if (!requireRoot(t)) return
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-envoy-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const stack = new UndoStack((message) => t.fail(message))
  const { signal } = new AbortController()
  const envoy = await envoyBinary(stack, directory, 0, {
    signal,
    say: (text) => t.comment(text),
  })
  const mesh = await Mesh.make(t, { pods: 3 })
  const [client, proxy, server] = [mesh.pod(0), mesh.pod(1), mesh.pod(2)]
  // Envoy closes a connection of HTTP/1.1 after an answer that began before its request had come to the end. It does so on plain TCP as well. The next request may be under way.
  const echo = { host: server.address, ...SERVERS, waits: true }
  await server.script('echo-server', echo).take('ready')
  await server.script('grpc-server', { host: server.address, port: SERVERS.grpc }).take('ready')
  const config = join(mesh.directory, 'envoy.yaml')
  writeFileSync(config, JSON.stringify(bootstrap(server.address)))
  const flags = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'critical']
  proxy.start(envoy, '-c', config, ...flags)
  await listening(proxy, PORT)

  const options = { host: proxy.address, port: PORT, sizes: [1, 100, 5000, 70_000, 500_000] }
  const clients = [
    await Client.start(client, 'http-client', { ...options, connections: 4, how: 'echo' }),
    await Client.start(client, 'http2-client', { ...options, connections: 2 }),
    await Client.start(client, 'grpc-client', { ...options, connections: 2 }),
    await Client.start(client, 'upgrade-client', {
      ...options,
      connections: 2,
      protocol: 'websocket',
      before: 10,
      after: 50,
      eager: false,
    }),
  ]
  // The one connection with all HTTP/2 requests makes few turns for a long time, so the test does not wait for it.
  await liveThrough(t, mesh, clients, [PORT, SERVERS.http, SERVERS.grpc])
})

function bootstrap(host: string): Json {
  const manager = {
    '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'http',
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    route_config: {
      virtual_hosts: [
        {
          name: 'any',
          domains: ['*'],
          routes: [route('/Echo/', 'grpc'), route('/http2', 'http2'), route('/', 'http')],
        },
      ],
    },
    http_filters: [
      { name: 'router', typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` } },
    ],
  }
  const filters = [{ name: 'http', typed_config: manager }]
  const address = socketAddress('0.0.0.0', PORT)
  return {
    static_resources: {
      listeners: [{ name: 'any', address, filter_chains: [{ filters }] }],
      clusters: [
        cluster('http', host, SERVERS.http, 'http_protocol_options'),
        cluster('http2', host, SERVERS.http2, 'http2_protocol_options'),
        cluster('grpc', host, SERVERS.grpc, 'http2_protocol_options'),
      ],
    },
  }
}

const route = (prefix: string, to: string): Json => ({
  match: { prefix },
  route: { cluster: to, timeout: '0s' },
})

function cluster(name: string, host: string, port: number, protocol: string): Json {
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
  return {
    name,
    connect_timeout: '5s',
    type: 'STATIC',
    typed_extension_protocol_options: {
      [options]: {
        '@type': `type.googleapis.com/${options}`,
        explicit_http_config: { [protocol]: {} },
      },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(host, port) } }] }],
    },
  }
}

const socketAddress = (address: string, port: number): Json => ({
  socket_address: { address, port_value: port },
})
