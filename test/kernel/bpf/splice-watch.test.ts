import { test, type Test } from 'tap'
import { AgentProcess, allRedirected, cli } from '../../helpers/agent-process.ts'
import { execFileSync } from 'node:child_process'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

const CONNECTIONS = 8

/** Traffic that is redirected in full, to a server that can turn to splice. */
async function accelerated(
  t: Test,
  turn: 'body' | 'all',
): Promise<{ mesh: Mesh; agent: AgentProcess; serving: Traffic; calling: Traffic }> {
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  const options = { address: mesh.pod(1).address, mode: 'blocking' }
  const serving = await Traffic.start(mesh.pod(1), 'server', { ...options, turn })
  const calling = await Traffic.start(mesh.pod(0), 'client', {
    ...options,
    connections: CONNECTIONS,
    request: 1024,
    pauseUs: 1000,
  })
  await until('all join', async () => allRedirected(await agent.flows(), CONNECTIONS))
  return { mesh, agent, serving, calling }
}

const reasonOf = async (agent: AgentProcess, reason: string): Promise<bigint> =>
  (await agent.status()).reasons[reason] ?? 0n

void test('a reader that turns to splice between messages goes on by TCP, for good', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, agent, ...traffic } = await accelerated(t, 'all')
  await using serving = traffic.serving
  await using calling = traffic.calling
  serving.turn()
  await until('all are back on TCP', async () =>
    (await agent.flows()).every(({ directions }) => directions.every(({ path }) => path === 'tcp')),
  )
  const { slowest } = await calling.progress()
  await until('all go on', async () => (await calling.progress()).slowest > slowest + 100)
  t.ok(
    (await agent.flows()).every(({ state }) => state === 'watched'),
    'and stay there',
  )
  t.match(await readers(agent), [{ name: 'pod-2', quarantined: true, evidence: 'splice' }])
  t.equal(await reasonOf(agent, 'reset'), 0n)

  // The program is quarantined, not only its connections.
  const options = { address: mesh.pod(1).address, port: 7001, mode: 'blocking', request: 1024 }
  await using sameProgram = await Traffic.start(mesh.pod(1), 'server', options)
  await using later = await Traffic.start(mesh.pod(0), 'client', { ...options, pauseUs: 1000 })
  await until(
    'a new connection of it is kept out',
    async () => (await unprovenFor(agent, 'quarantined')) > 0,
  )
  const program = (await readers(agent))[0]?.program ?? ''
  const forgive = ['readers', 'forgive', 'shop/pod-2', program, '--socket', mesh.socket]
  execFileSync(process.execPath, [cli, ...forgive])
  t.strictSame(await readers(agent), [], 'it is forgiven')
  t.match(await later.end(), { finished: 1, error: '' })
  t.match(await sameProgram.end(), { finished: 1, error: '' })
  t.match(await calling.end(), { finished: CONNECTIONS, failed: 0, error: '' })
})

void test('a reader that splices over unread redirected bytes is reset, and never gets a wrong byte', async (t) => {
  if (!requireRoot(t)) return
  const { agent, ...traffic } = await accelerated(t, 'body')
  await using serving = traffic.serving
  await using calling = traffic.calling
  serving.turn()
  // The first splice quarantines the reader, so a connection without unread bytes leaves in time.
  const { failed, slowest } = await until('each is reset or on TCP', async () => {
    const flows = await agent.flows()
    const progress = await calling.progress()
    const whole = progress.failed > 0 && flows.length === progress.open
    return whole && flows.every(({ state }) => state === 'watched') && progress
  })
  await until('those on TCP go on', async () => {
    const progress = await calling.progress()
    return !progress.open || progress.slowest > slowest + 100
  })
  t.ok((await reasonOf(agent, 'reset')) > 0n, 'what cannot be saved is reset and counted')
  const { error } = await serving.progress()
  t.match(error, /errno (103|104)/, 'the reader sees an error: ECONNABORTED or ECONNRESET')
  const end = await calling.end()
  t.match(end, { failed, finished: CONNECTIONS - failed }, 'none of those on TCP fails')
  // A blocking receive of a member is woken by the reset with EAGAIN (11) first.
  t.match(end.error, /errno (11|13|32|103|104)/)
})

/** The quarantined programs. */
async function readers(agent: AgentProcess): Promise<{ name: string; program: string }[]> {
  const { readers: all } = await agent.client.call('Readers', {})
  return all.filter(({ quarantined }) => quarantined)
}

async function unprovenFor(agent: AgentProcess, reason: string): Promise<number> {
  const { readers: all } = await agent.client.call('Readers', {})
  return all.reduce((sum, { connections }) => sum + (connections.unproven[reason] ?? 0), 0)
}
