/** A connection's slot is reused when both of its sockets are closed. The sockets themselves may live on. */
import { test, type Test } from 'tap'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import { Mesh, type Pod } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

const CONNECTIONS = 8

interface Answer {
  readonly event: string
}

for (const afterwards of ['misread', 'reconnect'] as const) {
  void test(`sockets that ${afterwards} when another pod has their slots`, async (t) => {
    if (!requireRoot(t)) return
    const { mesh, agent, attacker } = await setUp(t)
    await ask(attacker, 'leave')
    await until('their slots are free', async () => (await agent.flows()).length === 0)
    await using victim = mesh.pod(0).run<Answer>('stale')
    await until('it has their slots', () => redirected(agent, victim, mesh.pod(0)))

    const { leaves } = agent.counters()
    for (let time = 0; time < 50; time++) await ask(attacker, 'misread')
    if (afterwards === 'reconnect') {
      await ask(attacker, 'reconnect')
      await until('they join anew', () => redirected(agent, attacker, mesh.pod(1)))
    }
    await ask(victim, 'turns 50')

    t.equal(agent.counters().leaves, leaves, 'nobody had to leave')
    t.ok(await redirected(agent, victim, mesh.pod(0)))
  })
}

async function setUp(
  t: Test,
): Promise<{ mesh: Mesh; agent: AgentProcess; attacker: Child<Answer> }> {
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  const attacker = mesh.pod(1).run<Answer>('stale')
  await until('it joins', () => redirected(agent, attacker, mesh.pod(1)))
  return { mesh, agent, attacker }
}

/** Whether all of the pod's connections are redirected after some more turns. */
async function redirected(agent: AgentProcess, child: Child<Answer>, pod: Pod): Promise<boolean> {
  await ask(child, 'turns 50')
  const flows = (await agent.flows()).filter(({ client }) => client?.pod === `shop/${pod.name}`)
  return (
    flows.length === CONNECTIONS &&
    flows.every(({ directions }) => directions.every(({ path }) => path === 'redirect'))
  )
}

function ask(child: Child<Answer>, command: string): Promise<Answer> {
  const [event = ''] = command.split(' ')
  child.write(`${command}\n`)
  return child.take(event, 20_000)
}
