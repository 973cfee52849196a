/** Run in a kernel that earns `refused`: the agent says so, and leaves the traffic alone. */
import { readdirSync } from 'node:fs'
import { test } from 'tap'
import { loadedPrograms } from '../../src/libbpf/index.ts'
import { Mesh } from '../helpers/mesh.ts'
import { until } from '../helpers/retry.ts'
import { Traffic } from '../helpers/traffic.ts'

void test('a kernel that is refused has nothing attached, and its traffic goes on', async (t) => {
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  const { state, policy, refusedBecause } = await agent.status()
  t.match({ state, policy }, { state: 'refused', policy: 'refused' })
  t.ok(refusedBecause, 'it says why')
  t.strictSame(readdirSync(mesh.pinDir), [], 'nothing is pinned')
  t.notOk(
    loadedPrograms().some(({ name }) => name.startsWith('meshaccel_')),
    'nor loaded',
  )
  const options = { address: mesh.pod(1).address, connections: 4 }
  await using serving = await Traffic.start(mesh.pod(1), 'server', options)
  await using calling = await Traffic.start(mesh.pod(0), 'client', options)
  await until('it flows', async () => (await calling.progress()).slowest > 100)
  t.match(await calling.end(), { finished: 4, failed: 0, error: '' })
  t.match(await serving.end(), { finished: 4, failed: 0, error: '' })
})
