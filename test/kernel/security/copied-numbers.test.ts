/**
 * The sequence numbers of a connection are its identity. A process that knows them can forge sockets that claim it. It
 * needs CAP_NET_ADMIN over the network namespace of an enrolled pod. CAP_NET_ADMIN in its own user namespace only is
 * not enough.
 */
import { test, type Test } from 'tap'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

const VICTIM = 0
const ATTACKER = 1
const THIRD = 2

const upLo = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh']
const inUserNamespaceOfHisOwn = ['unshare', '--user', '--map-root-user']
const inNamespacesOfHisOwn = [...inUserNamespaceOfHisOwn, '--net', ...upLo]

interface Flooded {
  readonly event: string
  readonly sent: number
  readonly received: number
  readonly identity: string
}

interface Forged {
  readonly event: string
  /** Bytes that the attacker has received, but not sent. */
  readonly strange: number
}

for (const forgedWhile of ['enrolled', 'not enrolled'] as const) {
  void test(`of a connection that is paired; forged while ${forgedWhile}`, async (t) => {
    if (!requireRoot(t)) return
    const { mesh, agent, victim, attacker } = await setUp(t)
    const { identity } = await ask(victim, 'numbers')
    await redirected(agent, victim, identity)
    if (forgedWhile === 'enrolled') await enrol(mesh, agent, ATTACKER)
    const [client = '', server = ''] = identity.split(':')
    await ask(attacker, `forge ${client} ${server}`)
    await ask(attacker, 'claim')
    await enrol(mesh, agent, forgedWhile === 'enrolled' ? THIRD : ATTACKER)
    const isCounted = (reason: string): Promise<unknown> =>
      until(`counted as ${reason}`, async () => (await counted(agent, reason)) > 0n)
    // The scan checks the attacker's sockets while they live, at most a second after the last check.
    if (forgedWhile === 'not enrolled') await isCounted('second-claim')
    await untouched(t, agent, victim, attacker)
    await redirected(agent, victim, identity)

    await attacker[Symbol.asyncDispose]()
    if (forgedWhile === 'enrolled') await isCounted('forged-handshake')
  })

  void test(`before its pod is enrolled; forged while ${forgedWhile}`, async (t) => {
    if (!requireRoot(t)) return
    const { mesh, agent, victim, attacker } = await setUp(t, { victimEnrolled: false })
    await ask(victim, 'turns 3')
    const { identity } = await ask(victim, 'numbers')
    if (forgedWhile === 'enrolled') await enrol(mesh, agent, ATTACKER)
    const [client = '', server = ''] = identity.split(':')
    await ask(attacker, `forge ${client} ${server}`)
    await ask(attacker, 'claim')
    await ask(attacker, 'turns 50')
    if (forgedWhile === 'not enrolled') await enrol(mesh, agent, ATTACKER)
    await ask(attacker, 'turns 50')
    await enrol(mesh, agent, VICTIM)
    await untouched(t, agent, victim, attacker)
  })

  // The victim's reader has a bad habit, so only the attacker claims to be that end.
  void test(`of an end that waits for its peer; forged while ${forgedWhile}`, async (t) => {
    if (!requireRoot(t)) return
    const { mesh, agent, victim, attacker } = await setUp(t, { habit: 'waitall' })
    await ask(victim, 'turns 3')
    const { identity, sent } = await ask(victim, 'numbers')
    if (forgedWhile === 'enrolled') await enrol(mesh, agent, ATTACKER)
    const [client = '', server = ''] = identity.split(':')
    const afterSyn = ((Number.parseInt(client, 16) + 1) >>> 0).toString(16)
    await ask(attacker, `forge ${afterSyn} ${server}`)
    // The victim's next send finds that its apparent peer has read all earlier bytes.
    await ask(attacker, `push ${sent}`)
    await enrol(mesh, agent, forgedWhile === 'enrolled' ? THIRD : ATTACKER)
    await untouched(t, agent, victim, attacker)
  })
}

void test('by who has CAP_NET_ADMIN in namespaces of his own only, with its addresses, too', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, agent, victim } = await setUp(t)
  const { identity } = await ask(victim, 'numbers')
  await redirected(agent, victim, identity)
  const [flow] = await agent.flows()
  const ports = [flow?.client, flow?.server].map((end) => end?.address.split(':')[1] ?? '')
  const attacker = mesh.pod(ATTACKER).run<Forged>('forge', ports, inNamespacesOfHisOwn)
  const [client = '', server = ''] = identity.split(':')
  await ask(attacker, `forge ${client} ${server}`)
  await ask(attacker, 'claim')
  await enrol(mesh, agent, ATTACKER)
  await untouched(t, agent, victim, attacker)
  await redirected(agent, victim, identity)
  t.match(await agent.flows(), [{ identity }], 'his sockets are not watched')
})

void test('by who has CAP_NET_ADMIN in a user namespace of his own, inside the pod', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, agent, victim } = await setUp(t)
  await enrol(mesh, agent, ATTACKER)
  const { identity } = await ask(victim, 'numbers')
  const attacker = mesh.pod(ATTACKER).run<Forged>('forge', [], inUserNamespaceOfHisOwn)
  const [client = '', server = ''] = identity.split(':')
  await t.rejects(ask(attacker, `forge ${client} ${server}`), /Operation not permitted/)
})

/** A victim and an attacker that continue for a while. The victim's bytes must stay in place. */
async function untouched(
  t: Test,
  agent: AgentProcess,
  victim: Child<Flooded>,
  attacker: Child<Forged>,
): Promise<void> {
  for (let round = 0; round < 60; round++) {
    const { sent, received } = await ask(victim, 'turns 1')
    if (received !== sent) t.fail(`${received} of ${sent} have arrived`)
    await ask(attacker, 'turns 100')
    const { strange } = await ask(attacker, 'read')
    if (strange > 0) t.fail(`the attacker has received ${strange} bytes`)
  }
  for (const { client, server } of await agent.flows()) {
    if (client && server && isAttacker(client) !== isAttacker(server)) {
      t.fail(`${client.pod} ${client.address} is paired with ${server.pod} ${server.address}`)
    }
  }
  t.pass('the bytes are where they belong')
}

/** The attacker uses other ports. */
const isAttacker = ({ address }: { address: string }): boolean => /:720[12]$/.test(address)

async function setUp(
  t: Test,
  { victimEnrolled = true, habit }: { victimEnrolled?: boolean; habit?: string } = {},
): Promise<{
  mesh: Mesh
  agent: AgentProcess
  victim: Child<Flooded>
  attacker: Child<Forged>
}> {
  const mesh = await Mesh.make(t, { pods: 3, enabled: false })
  if (victimEnrolled) mesh.enable(mesh.pod(VICTIM), true)
  const agent = await mesh.startAgent()
  const victim = mesh.pod(VICTIM).run<Flooded>('flood')
  const attacker = mesh.pod(ATTACKER).run<Forged>('forge')
  if (habit !== undefined) await ask(victim, habit)
  await ask(victim, 'turns 1')
  return { mesh, agent, victim, attacker }
}

/** Enrols the pod. Then the agent searches for older connections in all pods. */
async function enrol(mesh: Mesh, agent: AgentProcess, index: number): Promise<void> {
  const { enrolled } = (await agent.status()).pods
  mesh.enable(mesh.pod(index), true)
  await until('it is enrolled', async () => (await agent.status()).pods.enrolled === enrolled + 1, {
    pauseMs: 20,
  })
}

async function redirected(
  agent: AgentProcess,
  victim: Child<Flooded>,
  identity: string,
): Promise<void> {
  await until(
    'it is redirected',
    async () => {
      await ask(victim, 'turns 1')
      const flow = (await agent.flows()).find((each) => each.identity === identity)
      return flow?.directions.every(({ path }) => path === 'redirect')
    },
    { attempts: 100 },
  )
}

async function counted(agent: AgentProcess, reason: string): Promise<bigint> {
  return (await agent.status()).reasons[reason] ?? 0n
}

function ask<Line extends { readonly event: string }>(
  child: Child<Line>,
  command: string,
): Promise<Line> {
  const [event = ''] = command.split(' ')
  child.write(`${command}\n`)
  return child.take(event, 20_000)
}
