import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { Client, listening, liveThrough, turned } from './life.ts'

const SIZES = [1, 100, 5000, 70_000, 1_000_000]

void test('HAProxy in the middle, by HTTP and as a TCP proxy', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, host } = await proxied(t, '')
  const client = mesh.pod(0)
  const options = { host, connections: 4, sizes: SIZES }
  const http = await Client.start(client, 'http-client', {
    ...options,
    port: 8181,
    how: 'echo',
  })
  const tcp = await Client.start(client, 'tcp-client', { ...options, port: 8183 })
  await liveThrough(t, mesh, [http, tcp], [8181, 8183, 8081, 8083])
})

void test('HAProxy that splices when it thinks fit never passes on a wrong byte', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, host } = await proxied(t, 'option splice-auto')
  // HAProxy does not splice small bodies, so most connections are proven and join before the large bodies come. A
  // connection with a splice never joins again, whether it was a member or spliced too early. Others follow, which
  // begin one body later, because a connection after a failure begins with a large body.
  const sizes = [...Array.from({ length: 400 }, () => 100), 8_000_000, 8_000_000]
  const options = { host, connections: 4, sizes, lifetime: sizes.length + 1 }
  const http = await Client.start(mesh.pod(0), 'http-client', {
    ...options,
    port: 8181,
    how: 'echo',
  })
  const tcp = await Client.start(mesh.pod(0), 'tcp-client', { ...options, port: 8183 })
  await turned(t, mesh, [http, tcp])
})

/** A mesh of a client, HAProxy, and a server that sends back the bytes that it gets. */
async function proxied(t: Test, option: string): Promise<{ mesh: Mesh; host: string }> {
  const mesh = await Mesh.make(t, { pods: 3 })
  const [proxy, server] = [mesh.pod(1), mesh.pod(2)]
  const ports = { http: 8081, http2: 8082, tcp: 8083 }
  await server.script('echo-server', { host: server.address, ...ports }).take('ready')
  const config = join(mesh.directory, 'haproxy.cfg')
  writeFileSync(config, haproxyConfig(server.address, option))
  proxy.start('haproxy', '-f', config)
  await listening(proxy, 8183)
  return { mesh, host: proxy.address }
}

function haproxyConfig(host: string, option: string): string {
  return `global
  nbthread 1
defaults
  ${option}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen http
  mode http
  http-reuse always
  bind :8181
  server echo ${host}:8081
listen tcp
  mode tcp
  bind :8183
  server echo ${host}:8083
`
}
