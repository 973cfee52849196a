/**
 * `npx tsx test/kernel/trial/guarded.ts`: two meshes with a guard of 10 %. In one of them each redirected send wastes time. The
 * guard must hold that one on TCP, and must leave the other one alone until then. Takes half an hour.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import { AnotherVersion, withSlowVerdict } from '../../helpers/another-version.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { until } from '../../helpers/retry.ts'
import { SteadyLoad } from '../../helpers/steady-load.ts'

const CONNECTIONS = 4
/** A load that leaves most of the processors free. */
const PAUSE_US = 50_000
const WASTED_TURNS = Number(process.env['WASTED_TURNS'] ?? 1_500_000)
const LIMIT_MS = 60 * 60_000
const LOOK_MS = 30_000

using slower = new AnotherVersion(withSlowVerdict(WASTED_TURNS))
await using planted = await Mesh.make({ teardown: () => undefined })
await using plain = await Mesh.make({ teardown: () => undefined })
planted.cli = slower.cli
const agents = {
  planted: await planted.startAgent('--guard', '10%'),
  plain: await plain.startAgent('--guard', '10%'),
}
await using plantedLoad = await SteadyLoad.start(
  planted.pod(0),
  planted.pod(1),
  CONNECTIONS,
  PAUSE_US,
)
await using plainLoad = await SteadyLoad.start(plain.pod(0), plain.pod(1), CONNECTIONS, PAUSE_US)

const end = performance.now() + LIMIT_MS
while ((await look('planted')).heldSince === undefined) {
  assert.ok(performance.now() < end, 'the guard has not tripped')
  await sleep(LOOK_MS)
}
await until('all is on TCP', async () =>
  (await agents.planted.flows()).every(({ state }) => state === 'watched'),
)
assert.equal((await look('plain')).heldSince, undefined, 'a false alarm')
for (const load of [plantedLoad, plainLoad]) await load.assertWhole()
console.log('the guard has tripped where it should, and no request has failed')

async function look(name: keyof typeof agents) {
  const agent: AgentProcess = agents[name]
  const [guarded] = (await agent.status()).guarded
  assert.ok(guarded, 'no namespace is guarded')
  const { pairs, p99Ratio, p99AtLeast } = guarded
  console.log(
    `${name}: ${pairs} pairs, ratio ${p99Ratio?.toFixed(2)}, at least ${p99AtLeast?.toFixed(2)}`,
  )
  return guarded
}
