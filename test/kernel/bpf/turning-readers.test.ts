/**
 * Programs that change, once they are proven, to reading in a way that redirected bytes may not survive. (Splice has
 * its own test.)
 */
import { test, type Test } from 'tap'
import { type AgentProcess, allRedirected } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic, type TrafficOptions } from '../../helpers/traffic.ts'

const CONNECTIONS = 8

interface Turned {
  readonly agent: AgentProcess
  readonly serving: Traffic
  readonly calling: Traffic
}

/** Redirected requests to a server that changes its way of reading in the middle. */
async function turnedTo(t: Test, turn: string, more: TrafficOptions): Promise<Turned> {
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  const options = { address: mesh.pod(1).address, mode: 'blocking', request: 4096, ...more }
  const serving = await Traffic.start(mesh.pod(1), 'server', { ...options, turn })
  const calling = await Traffic.start(mesh.pod(0), 'client', {
    pauseUs: 1000,
    ...options,
    connections: CONNECTIONS,
  })
  await until('all join', async () => allRedirected(await agent.flows(), CONNECTIONS))
  serving.turn()
  return { agent, serving, calling }
}

const reasonOf = async (agent: AgentProcess, reason: string): Promise<bigint> =>
  (await agent.status()).reasons[reason] ?? 0n

async function allOnTcp(agent: AgentProcess): Promise<boolean> {
  const flows = await agent.flows()
  return flows.every(({ directions }) => directions.every(({ path }) => path === 'tcp'))
}

async function goOn(calling: Traffic): Promise<void> {
  const { slowest } = await calling.progress()
  await until('all go on', async () => (await calling.progress()).slowest > slowest + 100)
}

void test('a reader that turns to MSG_WAITALL gets whole messages, and goes on by TCP', async (t) => {
  if (!requireRoot(t)) return
  const { agent, ...traffic } = await turnedTo(t, 'waitall', {})
  await using serving = traffic.serving
  await using calling = traffic.calling
  await until('all are back on TCP', () => allOnTcp(agent))
  await goOn(calling)
  t.match(await quarantined(agent), [{ name: 'pod-2', evidence: 'waitall' }])
  t.equal(await reasonOf(agent, 'reset'), 0n, 'none is reset without need')
  t.match(await calling.end(), { finished: CONNECTIONS, failed: 0, error: '' })
  t.match(await serving.end(), { finished: CONNECTIONS, failed: 0, error: '', cutShort: 0 })
})

void test('a reader that turns to MSG_WAITALL, and gets less, is reset', async (t) => {
  if (!requireRoot(t)) return
  // Each request is 16 sends with pauses, and the reader asks for all of it as soon as some of it is there.
  const { agent, ...traffic } = await turnedTo(t, 'waitall', {
    request: 16_384,
    write: 1024,
    parts: true,
    pauseUs: 4000,
  })
  await using serving = traffic.serving
  await using calling = traffic.calling
  await until('it is seen', async () => (await quarantined(agent)).length > 0)
  await until('all have ended or are back on TCP', () => allOnTcp(agent))
  const server = await until('those that got less have ended', async () => {
    const report = await serving.progress()
    return report.failed >= report.cutShort && report
  })
  t.ok(server.cutShort > 0, `${server.cutShort} of ${CONNECTIONS} got less`)
  t.equal(server.failed, server.cutShort, 'the others go on')
  t.match(server.error, /errno (11|103|104)|the peer ended early/, 'an error, and no wrong byte')
  t.equal(await reasonOf(agent, 'reset'), BigInt(server.cutShort), 'what is reset is counted')
  t.match(agent.log, /"reason":"waitall","msg":"reset a connection: /)
  t.match(await quarantined(agent), [{ name: 'pod-2', evidence: 'waitall' }])
  if (server.cutShort < CONNECTIONS) await goOn(calling)
})

void test('a reader that turns to SO_RCVLOWAT goes on by TCP', async (t) => {
  if (!requireRoot(t)) return
  const { agent, ...traffic } = await turnedTo(t, 'lowat', { write: 2048, parts: true })
  await using serving = traffic.serving
  await using calling = traffic.calling
  await until('it is seen', async () => (await reasonOf(agent, 'rcvlowat')) > 0n)
  await goOn(calling)
  t.equal(await reasonOf(agent, 'reset'), 0n)
  t.match(await calling.end(), { finished: CONNECTIONS, failed: 0, error: '' })
  t.match(await serving.end(), { finished: CONNECTIONS, failed: 0, error: '' })
})

void test('a reader that turns to MSG_PEEK and FIONREAD sees the whole message', async (t) => {
  if (!requireRoot(t)) return
  const { agent, ...traffic } = await turnedTo(t, 'peek', { write: 2048, parts: true })
  await using serving = traffic.serving
  await using calling = traffic.calling
  await goOn(calling)
  t.equal(await reasonOf(agent, 'reset'), 0n)
  t.match(await calling.end(), { finished: CONNECTIONS, failed: 0, error: '' })
  t.match(await serving.end(), { finished: CONNECTIONS, failed: 0, error: '' })
})

async function quarantined(agent: AgentProcess): Promise<{ name: string }[]> {
  const { readers } = await agent.client.call('Readers', {})
  return readers.filter((reader) => reader.quarantined)
}
