import { test, type Test } from 'tap'
import { readFileSync } from 'node:fs'
import type { FlowView } from '../../../src/api/views.ts'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic, type TrafficOptions } from '../../helpers/traffic.ts'

interface Habit {
  readonly name: string
  readonly client: TrafficOptions
  readonly server: TrafficOptions
  /** The reason, from the flow table, or from the counters if there is no flow. */
  readonly reason: string
}

interface Flooded {
  readonly event: string
}

const turns = { mode: 'blocking', request: 512, answer: 512 }

const habits: Habit[] = [
  { name: 'MPTCP', client: { mptcp: true }, server: { mptcp: true }, reason: 'mptcp' },
  { name: 'a zerocopy sender', client: { zerocopy: true }, server: {}, reason: 'zerocopy' },
  { name: 'a splice reader', client: {}, server: { mode: 'splice' }, reason: 'unaccounted' },
  { name: 'a MSG_WAITALL reader', client: {}, server: { mode: 'waitall' }, reason: 'waitall' },
]

for (const { name, client, server, reason } of habits) {
  void test(`never a member: ${name}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t)
    const agent = await mesh.startAgent()
    const { address } = mesh.pod(1)
    await using control = await Controls.start(mesh)
    await using serving = await Traffic.start(mesh.pod(1), 'server', {
      ...turns,
      address,
      ...server,
    })
    await using calling = await Traffic.start(mesh.pod(0), 'client', {
      ...turns,
      address,
      ...client,
    })
    await control.joins(agent)
    t.ok(await tells(agent, 7000, reason), `the reason is ${reason}`)
    await staysOut(t, agent, calling, 7000)
    t.match(await calling.end(), { finished: 1, error: '' })
    t.match(await serving.end(), { finished: 1, error: '' })
  })
}

void test('never a member: a corrected accounting beside a reader that blocks', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent()
  await using control = mesh.pod(0).run<Flooded>('flood')
  await using corrected = mesh.pod(0).run<Flooded>('flood')
  corrected.write('splice 100\n')
  await corrected.take('splice')
  let members = 0
  const turn = async (): Promise<boolean> => {
    for (const each of [control, corrected]) {
      each.write('turns 100\n')
      await each.take('turns')
    }
    members = (await agent.flows()).filter(joined).length
    const { reasons } = await agent.status()
    return members > 0 && (reasons['blocking-reader'] ?? 0) > 0
  }
  for (const each of [control, corrected]) {
    each.write('block\n')
    await each.take('block')
  }
  await until('one connection joins, and one is told to stay', turn)
  t.equal(members, 1)
})

// kTLS is the one that programs can choose.
const kernelTls = readFileSync('/proc/sys/net/ipv4/tcp_available_ulp', 'utf8').includes('tls')
const skip = kernelTls ? false : 'this kernel has no kTLS'

void test('never a member: a socket with a ULP', { skip }, async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  const options = { ...turns, address: mesh.pod(1).address, ulp: true as const }
  await using serving = await Traffic.start(mesh.pod(1), 'server', options)
  await using calling = await Traffic.start(mesh.pod(0), 'client', options)
  t.ok(await tells(agent, 7000, 'ulp'))
  await staysOut(t, agent, calling, 7000)
  t.match(await calling.end(), { finished: 1, error: '' })
  t.match(await serving.end(), { finished: 1, error: '' })
})

void test('never a member: a connection to what is not enrolled', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 3 })
  const outside = mesh.pod(2)
  mesh.enable(outside, false)
  const agent = await mesh.startAgent()
  const options = { ...turns, address: outside.address }
  await using control = await Controls.start(mesh)
  await using serving = await Traffic.start(outside, 'server', options)
  await using calling = await Traffic.start(mesh.pod(0), 'client', options)
  await control.joins(agent)
  t.ok(await tells(agent, 7000, 'remote-peer'))
  await staysOut(t, agent, calling, 7000)
  t.match(await calling.end(), { finished: 1, error: '' })
  t.match(await serving.end(), { finished: 1, error: '' })
})

void test('never a member: what a rule of its pod excludes', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  mesh.exclude([[mesh.pod(1), 'ports: [7000]']])
  const agent = await mesh.startAgent()
  const options = { ...turns, address: mesh.pod(1).address }
  await using control = await Controls.start(mesh)
  await using serving = await Traffic.start(mesh.pod(1), 'server', options)
  await using calling = await Traffic.start(mesh.pod(0), 'client', options)
  await control.joins(agent)
  t.ok(await tells(agent, 7000, 'excluded'))
  await staysOut(t, agent, calling, 7000)
  t.match(await calling.end(), { finished: 1, error: '' })
  t.match(await serving.end(), { finished: 1, error: '' })
  await until(
    'it is counted at its close',
    async () => ((await agent.status()).reasons['excluded'] ?? 0n) > 0n,
  )
})

void test('never a member: a socket that is connected to itself', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  await using control = await Controls.start(mesh)
  await using child = mesh.pod(0).run('self-connect')
  await child.take('ready')
  await control.joins(agent)
  t.notOk((await flowsOf(agent, 7100)).some(joined))
  t.equal(child.over, false, 'every byte came back')
})

/** A similar connection that does join. Once it has joined, the one under test had enough time. */
class Controls implements AsyncDisposable {
  readonly #sides: readonly Traffic[]

  private constructor(sides: readonly Traffic[]) {
    this.#sides = sides
  }

  static async start(mesh: Mesh): Promise<Controls> {
    const [client, server] = [mesh.pod(0), mesh.pod(1)]
    const options = { ...turns, mode: 'edge', address: server.address, port: 7001 }
    const serving = await Traffic.start(server, 'server', options)
    return new Controls([serving, await Traffic.start(client, 'client', options)])
  }

  async joins(agent: AgentProcess): Promise<void> {
    await until('the control joins', async () => (await flowsOf(agent, 7001)).some(joined))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const side of this.#sides) await side[Symbol.asyncDispose]()
  }
}

async function flowsOf(agent: AgentProcess, port: number): Promise<FlowView[]> {
  const has = (address?: string): boolean => address?.endsWith(`:${port}`) ?? false
  return (await agent.flows()).filter(
    ({ client, server }) =>
      has(server?.address) || has(client?.address) || (port === 7000 && !server),
  )
}

function joined({ state, directions }: FlowView): boolean {
  return state === 'joined' || directions.some(({ path }) => path === 'redirect')
}

/** Waits until the flow or the counters show the reason. */
async function tells(agent: AgentProcess, port: number, reason: string): Promise<boolean> {
  return until(
    `the reason ${reason}`,
    async () => {
      const flows = await flowsOf(agent, port)
      if (flows.some(({ directions }) => directions.some((one) => one.reason === reason)))
        return true
      return ((await agent.status()).reasons[reason] ?? 0n) > 0n
    },
    { attempts: 60 },
  ).catch(() => false)
}

/** Makes a thousand more turns and checks that the connection never becomes a member. */
async function staysOut(
  t: Test,
  agent: AgentProcess,
  calling: Traffic,
  port: number,
): Promise<void> {
  const { steps } = await calling.progress()
  await until('a thousand turns', async () => {
    if ((await flowsOf(agent, port)).some(joined)) t.fail('it has joined')
    return (await calling.progress()).steps > steps + 1000
  })
  for (const { directions } of await flowsOf(agent, port)) {
    t.ok(directions.every(({ redirectedBytes }) => redirectedBytes === 0n))
  }
}
