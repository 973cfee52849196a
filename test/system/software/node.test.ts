import { test } from 'tap'
import { requireRoot } from '../../helpers/requirements.ts'
import { Client, liveThrough } from './life.ts'
import { meshedPods, SIDECARS } from './sidecars.ts'

void test("Node's http and http2 as both ends", async (t) => {
  if (!requireRoot(t)) return
  const { mesh, client, server } = await meshedPods(t)
  const host = server.address
  await server.script('echo-server', { host, http: 8081, http2: 8082, tcp: 8083 }).take('ready')
  const sizes = [1, 100, 5000, 70_000, 1_000_000]
  const http = await Client.start(client, 'http-client', {
    host,
    port: 8081,
    connections: 8,
    sizes,
    how: 'echo',
  })
  const http2 = await Client.start(client, 'http2-client', {
    host,
    port: 8082,
    connections: 2,
    sizes,
  })
  await liveThrough(t, mesh, [http, http2], [...SIDECARS, 8081, 8082])
})
