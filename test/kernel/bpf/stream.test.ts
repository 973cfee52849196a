import { inspect } from 'node:util'
import { test } from 'tap'
import { allRedirected } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

const CONNECTIONS = 4
/** Enough for a join, many times over. */
const BYTES = 64 * 2 ** 20

for (const mode of ['level', 'blocking'] as const) {
  void test(`a stream of small writes never joins, ${mode} readers`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t)
    const agent = await mesh.startAgent()
    const options = { address: mesh.pod(1).address, mode }
    await using serving = await Traffic.start(mesh.pod(1), 'server', options)
    await using calling = await Traffic.start(mesh.pod(0), 'client', {
      ...options,
      connections: CONNECTIONS,
      request: 1024,
      answer: 0,
    })
    await until('it has flowed', async () => (await calling.progress()).sent > BYTES)
    t.match(await calling.end(), { finished: CONNECTIONS, error: '' })
    await until('it has arrived', async () => (await serving.progress()).open === 0)
    t.match(await serving.end(), { finished: CONNECTIONS, error: '' })
    t.equal(agent.counters().joins, 0n)
    t.equal(agent.counters().redirectedBytes, 0n)
  })

  void test(`a member that turns into a stream leaves, ${mode} readers`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t)
    const agent = await mesh.startAgent()
    const options = { address: mesh.pod(1).address, mode }
    await using serving = await Traffic.start(mesh.pod(1), 'server', options)
    await using calling = await Traffic.start(mesh.pod(0), 'client', {
      ...options,
      connections: CONNECTIONS,
    })
    await until('all join', async () => allRedirected(await agent.flows(), CONNECTIONS))
    calling.stream()
    await until('all leave', async () => (await agent.status()).connections.joined === 0)
    const { reasons } = await agent.status()
    t.ok((reasons['stream'] ?? 0n) >= 1n, inspect(reasons))

    const { redirectedBytes } = (await agent.status()).totals
    const { sent } = await calling.progress()
    await until('the stream flows', async () => (await calling.progress()).sent > sent + BYTES)
    t.equal((await agent.status()).totals.redirectedBytes, redirectedBytes)
    t.match(await calling.end(), { finished: CONNECTIONS, error: '' })
    await until('it has arrived', async () => (await serving.progress()).open === 0)
    t.match(await serving.end(), { finished: CONNECTIONS, error: '' })
  })
}
