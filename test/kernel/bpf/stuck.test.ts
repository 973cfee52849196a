import { test } from 'tap'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

interface Obeyed {
  readonly event: string
  /** errno; 0: success. */
  readonly error: number
}

type Sleepers = Child<Obeyed>

async function ask(sleepers: Sleepers, command: string): Promise<number> {
  sleepers.write(`${command}\n`)
  return (await sleepers.take(command)).error
}

/** Makes turns until the pod's requests are redirected. Answers take TCP while the client reads none. */
async function join(agent: AgentProcess, sleepers: Sleepers, pod: string): Promise<void> {
  await until(`${pod} joins`, async () => {
    await ask(sleepers, 'turn')
    const flow = (await agent.flows()).find(({ server }) => server?.pod === `shop/${pod}`)
    return flow?.directions.every(({ path }) => path === 'redirect')
  })
}

void test('a connection whose reader sleeps over redirected bytes is reset, one whose writer sleeps is not', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  await using writing = mesh.pod(0).run<Obeyed>('sleepers')
  await join(agent, writing, 'pod-1')
  t.equal(await ask(writing, 'blob'), 0)
  t.equal(await ask(writing, 'poke'), 0)
  await until('the poke is unread', async () => (await unreadOf(agent, 'pod-1')) > 0)

  // One thread has returned since the join and sees redirected bytes. The other sleeps in the plain receive.
  await using reading = mesh.pod(1).run<Obeyed>('sleepers')
  await join(agent, reading, 'pod-2')
  await ask(reading, 'retire')
  t.equal(await ask(reading, 'turn'), 0)
  t.not(await ask(reading, 'turn'), 0, 'the second turn hangs, and ends with an error')

  const { reasons } = await agent.status()
  t.equal(reasons['reset'], 1n, 'it is counted')
  await until(
    'it is told',
    () =>
      /reset a connection: this reader .*/.test(agent.log) && /"reason":"stuck"/.test(agent.log),
  )
  t.match(agent.log, /"comm":"sleepers"/)
  const { readers } = await agent.client.call('Readers', {})
  t.match(
    readers.filter(({ quarantined }) => quarantined),
    [{ name: 'pod-2', quarantined: true, evidence: 'stuck' }],
  )

  t.ok((await unreadOf(agent, 'pod-1')) > 0, 'the other one was looked at as often')
  t.equal(await ask(writing, 'drain'), 0, 'and goes on')
})

void test('a reader that sleeps in poll, and does not watch for reading, pushes back', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  await using napper = mesh.pod(0).run<Obeyed>('napper')
  await join(agent, napper, 'pod-1')
  let unread = 0
  const nap = ask(napper, 'nap')
  await until('it naps over redirected bytes', async () => {
    unread = await unreadOf(agent, 'pod-1')
    return unread > 0
  })
  t.equal(await nap, 0, 'it goes on where it was')
  t.equal(await ask(napper, 'turn'), 0)
  t.match((await agent.status()).reasons, { reset: 0n, stuck: 0n })
})

/** Redirected bytes that the pod's server has not read. */
async function unreadOf(agent: AgentProcess, pod: string): Promise<number> {
  const flow = (await agent.flows()).find(({ server }) => server?.pod === `shop/${pod}`)
  return Number(flow?.directions.find(({ from }) => from === 'client')?.unreadBytes ?? 0)
}
