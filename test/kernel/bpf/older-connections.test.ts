import { test } from 'tap'
import { allRedirected, tally, type AgentProcess } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

const CONNECTIONS = 2000

for (const than of ['the agent', 'the enabling of their pods'] as const) {
  void test(`busy connections that are older than ${than} join`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t, { enabled: than === 'the agent' })
    const [client, server] = [mesh.pod(0), mesh.pod(1)]
    // Half of the readers block, half use edge-triggered epoll.
    const options = { address: server.address, mode: 'mixed' }
    let agent: AgentProcess | undefined
    if (than !== 'the agent') agent = await mesh.startAgent()
    await using serving = await Traffic.start(server, 'server', options)
    await using calling = await Traffic.start(client, 'client', {
      ...options,
      connections: CONNECTIONS,
      pauseUs: 100_000,
    })
    await until('all are busy', async () => (await calling.progress()).slowest > 10)

    const begin = performance.now()
    if (agent) for (const pod of mesh.pods) mesh.enable(pod, true)
    const running = (agent ??= await mesh.startAgent())
    let flows = await running.flows()
    await until('all have joined', async () => {
      flows = await running.flows()
      return allRedirected(flows, CONNECTIONS)
    }).catch(() => t.fail(tally(flows)))
    t.comment(`all joined after ${Math.round(performance.now() - begin)} ms`)

    const { slowest } = await calling.progress()
    await until('none is stalled', async () => (await calling.progress()).slowest > slowest + 10)
    t.match(await calling.end(), { finished: CONNECTIONS, failed: 0, error: '' })
    t.match(await serving.end(), { finished: CONNECTIONS, failed: 0, error: '' })
    t.ok(running.counters().joins >= BigInt(CONNECTIONS))
  })
}

const few = 200
const looks = (log: string): number => log.split('looked for older connections').length - 1

for (const last of ['client', 'server'] as const) {
  for (const than of ['both of its pods', `its ${last}`] as const) {
    void test(`connections that are older than the enabling of ${than}, the ${last} being last, join`, async (t) => {
      if (!requireRoot(t)) return
      const mesh = await Mesh.make(t, { enabled: false })
      const [client, server] = [mesh.pod(0), mesh.pod(1)]
      const [first, second] = last === 'client' ? [server, client] : [client, server]
      const agent = await mesh.startAgent('--log-level', 'debug')
      const enableFirst = async (): Promise<void> => {
        mesh.enable(first, true)
        await until('it is enrolled', async () => (await agent.status()).pods.enrolled === 1)
      }
      if (than !== 'both of its pods') await enableFirst()
      const options = { address: server.address, mode: 'mixed' }
      await using serving = await Traffic.start(server, 'server', options)
      await using calling = await Traffic.start(client, 'client', {
        ...options,
        connections: few,
        pauseUs: 100_000,
      })
      await until('all are busy', async () => (await calling.progress()).slowest > 3)
      if (than === 'both of its pods') {
        await enableFirst()
        await until('it was looked in', () => looks(agent.log) === 1)
      }
      mesh.enable(second, true)
      await until('the other one was looked in', () => looks(agent.log) > 0)
      let flows = await agent.flows()
      await until('all have joined', async () => {
        flows = await agent.flows()
        return allRedirected(flows, few)
      }).catch(() => t.fail(tally(flows)))
      t.match(await calling.end(), { finished: few, failed: 0, error: '' })
      t.match(await serving.end(), { finished: few, failed: 0, error: '' })
    })
  }
}

void test('thousands that join at once overflow nothing', async (t) => {
  if (!requireRoot(t)) return
  const many = 15_000
  const mesh = await Mesh.make(t)
  const options = { address: mesh.pod(1).address, mode: 'level' }
  await using serving = await Traffic.start(mesh.pod(1), 'server', options)
  await using calling = await Traffic.start(mesh.pod(0), 'client', {
    ...options,
    connections: many,
  })
  await until('all are busy', async () => (await calling.progress()).slowest > 3)
  const agent = await mesh.startAgent()
  // On a busy machine some are always about to leave and to join again.
  const enough = many * 0.9
  await until('they have joined', async () => (await agent.status()).connections.engaged > enough)
  t.notMatch(agent.log, /scan failed/)
  t.match(await calling.end(), { finished: many, failed: 0, error: '' })
  t.match(await serving.end(), { finished: many, failed: 0, error: '' })
})
