/** All connections of a pod wait for peers that never come. Other pods' connections are still accelerated. */
import { test } from 'tap'
import { heldBy } from '../adversity/held.ts'
import { allRedirected, tally } from '../../helpers/agent-process.ts'
import { AnotherVersion, withNumber } from '../../helpers/another-version.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

/** MAX_CONNS of this version; it has twice as many claims. */
const SLOTS = 32
const FLOOD = 8 * SLOTS
const VICTIMS = 8

void test('a pod that floods claims', async (t) => {
  if (!requireRoot(t)) return
  const version = new AnotherVersion(withNumber('MAX_CONNS', SLOTS))
  t.teardown(() => version[Symbol.dispose]())
  const mesh = await Mesh.make(t, { pods: 4 })
  mesh.cli = version.cli
  const [client, server, attacker, outsider] = [0, 1, 2, 3].map((index) => mesh.pod(index))
  if (!client || !server || !attacker || !outsider) throw new Error('the mesh has four pods')
  mesh.enable(outsider, false)
  const agent = await mesh.startAgent()
  const out = { mode: 'level', address: outsider.address }
  await using flooded = await Traffic.start(outsider, 'server', out)
  await using flooding = await Traffic.start(attacker, 'client', { ...out, connections: FLOOD })
  await until('there is no claim left', () => heldBy(mesh).claims === 2 * SLOTS)

  const theirs = { mode: 'level', address: server.address }
  await using serving = await Traffic.start(server, 'server', theirs)
  await using calling = await Traffic.start(client, 'client', { ...theirs, connections: VICTIMS })
  await until('the others are accelerated', async () => {
    const flows = (await agent.flows()).filter(
      ({ client: opener }) => opener?.pod === `shop/${client.name}`,
    )
    return allRedirected(flows, VICTIMS)
  }).catch(async () => t.fail(tally(await agent.flows())))
  t.match(await calling.end(), { finished: VICTIMS, failed: 0, error: '' })
  t.match(await serving.end(), { finished: VICTIMS, failed: 0, error: '' })
  t.match(await flooding.end(), { finished: FLOOD, failed: 0, error: '' })
  t.match(await flooded.end(), { finished: FLOOD, failed: 0, error: '' })
})
