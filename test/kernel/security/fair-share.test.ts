/** A pod floods the node with connections. Other pods' connections are still accelerated. */
import { test } from 'tap'
import type { FlowView } from '../../../src/api/views.ts'
import { tally } from '../../helpers/agent-process.ts'
import { AnotherVersion, withNumber } from '../../helpers/another-version.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

/** MAX_CONNS of this version: so many connections can be paired at the same time. */
const SLOTS = 64
const FLOOD = 4 * SLOTS
const VICTIMS = 8

void test('a pod that floods connections', async (t) => {
  if (!requireRoot(t)) return
  const version = new AnotherVersion(withNumber('MAX_CONNS', SLOTS))
  t.teardown(() => version[Symbol.dispose]())
  const mesh = await Mesh.make(t, { pods: 3 })
  mesh.cli = version.cli
  const agent = await mesh.startAgent()
  const [client, server, attacker] = [mesh.pod(0), mesh.pod(1), mesh.pod(2)]
  const own = { mode: 'level', address: attacker.address }
  await using flooded = await Traffic.start(attacker, 'server', own)
  await using flooding = await Traffic.start(attacker, 'client', { ...own, connections: FLOOD })
  await until('the table is full for it', async () =>
    of(await agent.flows(), attacker.name).some(({ directions }) =>
      directions.some(({ reason }) => reason === 'table-full'),
    ),
  )

  const theirs = { mode: 'level', address: server.address }
  await using serving = await Traffic.start(server, 'server', theirs)
  await using calling = await Traffic.start(client, 'client', { ...theirs, connections: VICTIMS })
  let flows = await agent.flows()
  await until('the others are accelerated', async () => {
    flows = await agent.flows()
    return fast(of(flows, client.name)) === VICTIMS
  }).catch(() => t.fail(tally(of(flows, client.name))))
  const taken = fast(of(flows, attacker.name))
  t.ok(taken > 0 && taken <= SLOTS / 2, `the attacker has ${taken} of ${SLOTS}`)
  t.match(await calling.end(), { finished: VICTIMS, failed: 0, error: '' })
  t.match(await serving.end(), { finished: VICTIMS, failed: 0, error: '' })

  // Slots that the other pods free are available again, and those that this pod frees.
  t.match(await flooding.end(), { finished: FLOOD, failed: 0, error: '' })
  t.match(await flooded.end(), { finished: FLOOD, failed: 0, error: '' })
  t.ok(((await agent.status()).reasons['table-full'] ?? 0n) > 0n)
  await using servingAgain = await Traffic.start(server, 'server', { ...theirs, port: 7001 })
  await using callingAgain = await Traffic.start(client, 'client', {
    ...theirs,
    port: 7001,
    connections: SLOTS / 2,
  })
  await until('all slots are free again', async () => {
    flows = await agent.flows()
    return fast(of(flows, client.name)) === SLOTS / 2
  }).catch(() => t.fail(tally(flows)))
  t.match(await callingAgain.end(), { finished: SLOTS / 2, failed: 0, error: '' })
  t.match(await servingAgain.end(), { finished: SLOTS / 2, failed: 0, error: '' })
})

/** The connections that the pod has opened. */
const of = (flows: FlowView[], pod: string): FlowView[] =>
  flows.filter(({ client }) => client?.pod === `shop/${pod}`)

const fast = (flows: FlowView[]): number =>
  flows.filter(({ directions }) => directions.every(({ path }) => path === 'redirect')).length
