import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { loadedPrograms } from 'libbpf'
import type { Mesh } from '../../helpers/mesh.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'
import type { Finding } from './told.ts'

/** On a kernel that earns `refused`, the agent says so and does not affect the traffic. */
export async function refusedAgent(mesh: Mesh): Promise<Finding> {
  const agent = await mesh.startAgent()
  const { state, policy, refusedBecause } = await agent.status()
  assert.equal(state, 'refused')
  assert.ok(refusedBecause, 'it says why')
  assert.deepEqual(readdirSync(mesh.pinDir), [], 'nothing is pinned')
  const own = loadedPrograms().filter(({ name }) => name.startsWith('meshaccel_'))
  assert.deepEqual(own, [], 'nor loaded')
  const options = { address: mesh.pod(1).address, connections: 4 }
  await using serving = await Traffic.start(mesh.pod(1), 'server', options)
  await using calling = await Traffic.start(mesh.pod(0), 'client', options)
  await until('it flows', async () => (await calling.progress()).slowest > 100)
  for (const side of [calling, serving]) {
    const { finished, failed, error } = await side.end()
    assert.deepEqual({ finished, failed, error }, { finished: 4, failed: 0, error: '' })
  }
  return { policy, refusedBecause }
}
