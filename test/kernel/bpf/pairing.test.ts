import { test } from 'tap'
import { allRedirected, tally } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

const PORTS = 40
const CONNECTIONS = 2000

void test('connections through REDIRECT whose source ports collide', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const [pod, other] = [mesh.pod(0), mesh.pod(1)]
  const first = 20_000
  const destinations = `${first}:${first + PORTS - 1}`
  const rule = ['-p', 'tcp', '--dport', destinations, '-j', 'REDIRECT', '--to-ports', '15001']
  pod.exec('iptables', '-t', 'nat', '-A', 'OUTPUT', ...rule)
  const agent = await mesh.startAgent()
  await using sidecar = await Traffic.start(pod, 'server', { address: '0.0.0.0', port: 15001 })
  // Each source port serves every destination; behind the redirect all of these are one address.
  await using application = await Traffic.start(pod, 'client', {
    address: other.address,
    port: first,
    ports: PORTS,
    from: pod.address,
    fromPort: 40_000,
    connections: CONNECTIONS,
  })
  let flows = await agent.flows()
  await until('all are accelerated', async () => {
    flows = await agent.flows()
    return allRedirected(flows, CONNECTIONS)
  }).catch(() => t.fail(tally(flows)))
  const sources = flows.map(({ client }) => client?.address)
  t.equal(new Set(sources).size, CONNECTIONS / PORTS, 'source ports collide')

  const { steps } = await application.progress()
  await until('they go on', async () => (await application.progress()).steps > steps + CONNECTIONS)
  t.match(await application.end(), { finished: CONNECTIONS, failed: 0, error: '' })
  t.match(await sidecar.end(), { finished: CONNECTIONS, failed: 0, error: '' })
})

void test('two pods that use the same loopback addresses and ports at the same time', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  const same = { address: '127.0.0.1', port: 15006, from: '127.0.0.1', fromPort: 41_000 }
  const connections = 200
  await using server1 = await Traffic.start(mesh.pod(0), 'server', same)
  await using server2 = await Traffic.start(mesh.pod(1), 'server', same)
  await using client1 = await Traffic.start(mesh.pod(0), 'client', {
    ...same,
    connections,
    seed: 1,
  })
  await using client2 = await Traffic.start(mesh.pod(1), 'client', {
    ...same,
    connections,
    seed: 2,
  })
  let flows = await agent.flows()
  await until('all are accelerated', async () => {
    flows = await agent.flows()
    return allRedirected(flows, 2 * connections)
  }).catch(() => t.fail(tally(flows)))
  t.equal(new Set(flows.map(({ client }) => client?.address)).size, connections)
  for (const { client, server } of flows) {
    if (client?.pod !== server?.pod) t.fail(`${client?.pod} is paired with ${server?.pod}`)
  }
  for (const client of [client1, client2]) {
    const { steps } = await client.progress()
    await until('it goes on', async () => (await client.progress()).steps > steps + connections)
    t.match(await client.end(), { finished: connections, failed: 0, error: '' })
  }
  for (const server of [server1, server2]) {
    t.match(await server.end(), { finished: connections, failed: 0, error: '' })
  }
})
