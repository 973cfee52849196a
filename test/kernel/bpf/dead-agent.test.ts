import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { sumCounters } from '../../../src/datapath/maps/counters.ts'
import type { Flow } from '../../../src/datapath/datapath.ts'
import { flowPieces, parseFlows } from '../../../src/datapath/loop/flow-table.ts'
import { Programs } from '../../../src/datapath/pins/programs.ts'
import { readConfig } from '../../../src/datapath/loop/scans.ts'
import { type AgentProcess, allRedirected } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { Load } from '../../helpers/load.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

/** HEARTBEAT_NS, ABSENT_NS, STALE_CAP_FACTOR and STREAM_MESSAGES of meshaccel.h. */
const HEARTBEAT_NS = 5_000_000_000n
const ABSENT_NS = 1_000_000_000n
/** PROBE_MIN_S and PROBE_MAX_S of alone.bpf.h. */
const PROBE_MIN_S = 3
const PROBE_MAX_S = 27
const STALE_CAP_FACTOR = 8
const STREAM_MESSAGES = 64
const CAP = 262_144
const MESSAGE = 65_536

interface Flooded {
  readonly event: string
  readonly sent: number
  readonly received: number
  /** TCP_KEEPIDLE and TCP_KEEPINTVL of the reader. */
  readonly keepalive: readonly number[]
  /** How many packets the reader has sent. */
  readonly packets: number
}

for (const policy of ['full', 'strict'] as const) {
  void test(`connections of a dead agent, policy ${policy}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t)
    const agent = await mesh.startAgent('--policy', policy)
    await using load = await Load.start(mesh)
    await load.accelerated(agent)
    using pins = openPins(mesh)
    const redirected = (): bigint =>
      sumCounters(pins.counters.lookupPerCpu(0) ?? []).redirectedBytes

    await agent.kill('SIGKILL')
    if (policy === 'full') {
      // A reader that found TCP bytes unread has sealed its connection. The others stop at the verdict.
      await until('all are back on TCP', () =>
        flowsOf(pins).every(
          ({ state, clientToServer, serverToClient }) =>
            state === 'leaving' || (clientToServer.path === 'tcp' && serverToClient.path === 'tcp'),
        ),
      )
      t.comment(`${Number(silenceNs(pins) / 1_000_000n)} ms after the last heartbeat`)
      const before = redirected()
      await load.goesOn('on TCP')
      t.equal(redirected(), before, 'nothing is redirected any more')
      t.ok(directions(pins).some(({ reason }) => reason === 'agent-stale'))
    } else {
      await until('the agent counts as dead', () => silenceNs(pins) > HEARTBEAT_NS)
      const before = redirected()
      await load.goesOn('redirected')
      t.ok(redirected() > before, 'the fast path goes on')
      t.ok(directions(pins).every(({ path }) => path === 'redirect'))
    }
    const next = await mesh.startAgent('--policy', policy)
    t.match(next.log, /"adopted"/)
    await load.accelerated(next)
    await load.end(t)
  })

  void test(`a reader that never reads, the agent dead, policy ${policy}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t, { pods: 1 })
    const flags = ['--policy', policy, '--cap', String(CAP)]
    const agent = await mesh.startAgent(...flags)
    await using plain = mesh.pod(0).run<Flooded>('flood')
    const onTcp = await accepted(plain)
    await using flooded = mesh.pod(0).run<Flooded>('flood')
    await until('it joins', async () => {
      await ask(flooded, 'turns 100')
      const flows = await agent.flows()
      return flows.some((flow) => flow.directions.every(({ path }) => path === 'redirect'))
    })
    using pins = openPins(mesh)
    await agent.kill('SIGKILL')
    await until('the agent counts as dead', () => silenceNs(pins) > HEARTBEAT_NS)
    const took = await accepted(flooded)
    t.ok(took <= onTcp + STALE_CAP_FACTOR * CAP + MESSAGE, `it took ${took}, TCP ${onTcp}`)
    if (policy === 'strict') t.ok(took > CAP + MESSAGE, `the cap is the higher one: ${took}`)
    // If the kernel hides a member's TCP bytes from FIONREAD, the member must leave by itself.
    const read = await ask(flooded, policy === 'strict' ? 'inquire' : 'drain')
    t.equal(read.received, read.sent, 'every byte arrives')
    const turned = await ask(flooded, 'turns 100')
    t.equal(turned.received, turned.sent)

    const next = await mesh.startAgent(...flags)
    await until('it comes back to the fast path', async () => {
      await ask(flooded, 'turns 100')
      const flows = await next.flows()
      return flows.some((flow) => flow.directions.every(({ path }) => path === 'redirect'))
    })
  })
}

for (const policy of ['full', 'strict'] as const)
  for (const dead of ['before', 'after'] as const) {
    void test(`TCP bytes behind unread redirected ones, the agent dead ${dead} they came, policy ${policy}`, async (t) => {
      if (!requireRoot(t)) return
      const mesh = await Mesh.make(t, { pods: 1 })
      const flags = ['--policy', policy, '--cap', String(MESSAGE)]
      const agent = await mesh.startAgent(...flags)
      await using flooded = mesh.pod(0).run<Flooded>('flood')
      await joins(flooded, agent)
      using pins = openPins(mesh)
      if (dead === 'before') {
        await agent.kill('SIGKILL')
        await until('no agent runs', () => silenceNs(pins) > ABSENT_NS)
      }
      await mixes(flooded, pins)
      await ask(flooded, 'send 100')
      if (dead === 'after') {
        await agent.kill('SIGKILL')
        await until('no agent runs', () => silenceNs(pins) > ABSENT_NS)
      }
      const read = await ask(flooded, 'edges')
      t.equal(read.received, read.sent, 'an edge-triggered reader gets every byte')
      await until('the keepalive is an ordinary one', async () => {
        const { keepalive } = await ask(flooded, 'drain')
        return keepalive.every((seconds) => seconds > PROBE_MAX_S)
      })
    })
  }

void test('a program sets its keepalive while its socket sends ours', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent('--cap', String(MESSAGE))
  await using flooded = mesh.pod(0).run<Flooded>('flood')
  await joins(flooded, agent)
  await until('the socket sends keepalives for its unread bytes', async () => {
    const { keepalive } = await ask(flooded, 'send 10000')
    return keepalive[1] === PROBE_MIN_S
  })
  await ask(flooded, 'keepalive 1')
  const { packets } = await ask(flooded, 'drain')
  await until('it has sent a packet with nothing unread', async () => {
    const now = await ask(flooded, 'drain')
    return now.packets > packets
  })
  const { keepalive } = await ask(flooded, 'drain')
  t.strictSame(keepalive, [1, 1], "the program's keepalive stays")
})

void test('a keepalive that could not be restored stays', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  mesh.pod(0).exec('sysctl', '-qw', 'net.ipv4.tcp_keepalive_time=86400')
  const agent = await mesh.startAgent('--cap', String(MESSAGE))
  await using flooded = mesh.pod(0).run<Flooded>('flood')
  const before = await ask(flooded, 'keepalive 0')
  await joins(flooded, agent)
  using pins = openPins(mesh)
  await mixes(flooded, pins)
  const unread = await ask(flooded, 'send 10000')
  const read = await ask(flooded, 'drain')
  for (const { keepalive } of [before, unread, read]) t.strictSame(keepalive, [86_400, 75])
})

void test('a cleanup leaves no keepalive of ours', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent('--cap', String(MESSAGE))
  await using flooded = mesh.pod(0).run<Flooded>('flood')
  await joins(flooded, agent)
  using pins = openPins(mesh)
  await mixes(flooded, pins)
  await agent.kill('SIGKILL')
  await until('the next keepalive of the socket is some seconds away', async () => {
    const { keepalive } = await ask(flooded, 'look')
    return keepalive[1] === PROBE_MIN_S * 3
  })
  await ask(flooded, 'drain')
  const place = ['--socket', mesh.socket, '--pin', mesh.pinDir]
  t.match(await runCommand(['cleanup', ...place]), { code: 0 })
  const { keepalive } = await ask(flooded, 'look')
  t.ok(
    keepalive.every((seconds) => seconds > PROBE_MAX_S),
    String(keepalive),
  )
})

void test('a member that turns into a stream stays one while the agent is dead, policy strict', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent('--policy', 'strict')
  await using flooded = mesh.pod(0).run<Flooded>('flood')
  await joins(flooded, agent)
  using pins = openPins(mesh)
  await agent.kill('SIGKILL')
  await until('the agent counts as dead', () => silenceNs(pins) > HEARTBEAT_NS)
  for (let message = 0; message < STREAM_MESSAGES * 3; message++) {
    await ask(flooded, 'send 100')
    await ask(flooded, 'drain')
  }
  t.match(directions(pins), [{ path: 'redirect' }, { path: 'redirect' }])
})

/** The pins of a mesh, agent or not. */
function openPins({ pinDir }: Mesh): Programs {
  const [version = ''] = readdirSync(pinDir)
  return new Programs(join(pinDir, version))
}

function flowsOf(pins: Programs): Flow[] {
  return parseFlows(...flowPieces(pins))
}

function directions(pins: Programs): Flow['clientToServer'][] {
  return flowsOf(pins).flatMap((flow) => [flow.clientToServer, flow.serverToClient])
}

/** The time since the last scan, by the monotonic clock. */
function silenceNs(pins: Programs): bigint {
  return process.hrtime.bigint() - readConfig(pins).heartbeatNs
}

function ask(flooded: Child<Flooded>, command: string): Promise<Flooded> {
  const [event = ''] = command.split(' ')
  flooded.write(`${command}\n`)
  return flooded.take(event)
}

async function joins(flooded: Child<Flooded>, agent: AgentProcess): Promise<void> {
  await until('it joins', async () => {
    await ask(flooded, 'turns 100')
    return allRedirected(await agent.flows(), 1)
  })
}

/** Sends until bytes come by TCP behind redirected ones. */
async function mixes(flooded: Child<Flooded>, pins: Programs): Promise<void> {
  await until('some bytes come by TCP', async () => {
    await ask(flooded, 'send 10000')
    return directions(pins).some(({ path }) => path === 'mixed')
  })
}

/** The bytes that a sender can send while its peer does not read. */
async function accepted(flooded: Child<Flooded>): Promise<number> {
  const before = await ask(flooded, 'turns 1')
  const { sent } = await ask(flooded, `flood ${MESSAGE}`)
  return sent - before.sent
}
