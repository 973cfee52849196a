/** A process with a page fault inside recv() holds its socket's lock for any time. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test, type Test } from 'tap'
import type { FlowView } from '../../../src/api/views.ts'
import { type AgentProcess, allRedirected } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import { type CliResult, runCommand } from '../../helpers/cli-run.ts'
import { Load } from '../../helpers/load.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

interface Obeyed {
  readonly event: string
  /** errno; 0: success. */
  readonly error: number
}

type Faulting = Child<Obeyed>

void test('older connections of a pod that holds a lock, and of one that does not', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 3, enabled: false })
  const agent = await mesh.startAgent('--policy', 'strict')
  await using faulting = mesh.pod(2).run<Obeyed>('faulting')
  t.equal(await ask(faulting, 'turns'), 0)
  await using load = await Load.start(mesh)
  t.equal(await ask(faulting, 'hold'), 0)
  for (const pod of mesh.pods) mesh.enable(pod, true)
  await blockedWalks(agent, 1)

  await until('others join', async () => {
    const flows = await agent.flows()
    return flows.filter(({ state }) => state === 'joined').length >= load.connections / 2
  })
  await agent.status()
  await load.goesOn('redirected')
  t.strictSame(await faultingFlows(agent), [], 'nothing is known of its connection')

  t.equal(await ask(faulting, 'release'), 0, 'the bytes are right')
  await until('its connection joins', async () => {
    await ask(faulting, 'turns')
    return isJoined(agent)
  })
  await blockedWalks(agent, 0)
  await load.end(t)
})

void test('a member whose reader holds its lock, while everything is to leave', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, agent, faulting, load } = await joined(t)
  t.equal(await ask(faulting, 'hold'), 0)
  await using second = await blockWalk(t, mesh, agent)

  const { code, stderr } = await run(mesh, 'drain', '--timeout', '1')
  t.equal(code, 1)
  t.match(stderr, /of shop\/pod-3 has not read 100 bytes/, 'it says who holds what')
  t.equal(stderr.match(/has not read/g)?.length, 1, 'all others have left')
  await agent.status()
  t.match(await runCommand(['resume', '--socket', mesh.socket]), { code: 0 })
  await accelerated(agent, load)

  t.equal(await ask(faulting, 'release'), 0)
  t.match(await run(mesh, 'drain'), { code: 0 }, 'it leaves once its reader goes on')
  t.equal(await ask(faulting, 'turns'), 0)
  t.equal(await ask(second, 'turns'), 0)
  t.match(await run(mesh, 'cleanup'), { code: 0 })
  t.notOk(existsSync(mesh.pinDir))
  await load.end(t)
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  void test(`an agent with a blocked walk ends by ${signal}, and its successor adopts`, async (t) => {
    if (!requireRoot(t)) return
    const { mesh, agent, faulting, load } = await joined(t)
    t.equal(await ask(faulting, 'hold'), 0)
    await using second = await blockWalk(t, mesh, agent)
    const blocked = await blockedWalks(agent, 1)
    await agent.kill(signal)
    t.ok(blocked.every(isThere), 'its walk waits still')

    const next = await mesh.startAgent('--policy', 'strict')
    t.match(next.log, /"msg":"adopted"/)
    await accelerated(next, load)
    t.equal(await ask(faulting, 'release'), 0)
    await until('the walk of the first agent has ended', () => !blocked.some(isThere))
    await until('its connection joins', async () => {
      await ask(faulting, 'turns')
      await ask(second, 'turns')
      return isJoined(next)
    })
    await blockedWalks(next, 0)
    t.equal(await ask(second, 'turns'), 0)
    await load.end(t)
  })
}

async function joined(
  t: Test,
): Promise<{ mesh: Mesh; agent: AgentProcess; faulting: Faulting; load: Load }> {
  const mesh = await Mesh.make(t, { pods: 3 })
  const agent = await mesh.startAgent('--policy', 'strict')
  const load = await Load.start(mesh)
  t.teardown(() => load[Symbol.asyncDispose]())
  const faulting = mesh.pod(2).run<Obeyed>('faulting')
  t.teardown(() => faulting[Symbol.asyncDispose]())
  await until('it joins', async () => {
    await ask(faulting, 'turns')
    return isJoined(agent)
  })
  await accelerated(agent, load)
  return { mesh, agent, faulting, load }
}

/** A second connection of the pod joins. That needs a walk over the pod, which the first one's lock blocks. */
async function blockWalk(t: Test, mesh: Mesh, agent: AgentProcess): Promise<Faulting> {
  const before = new Set((await faultingFlows(agent)).map(({ identity }) => identity))
  const second = mesh.pod(2).run<Obeyed>('faulting')
  t.teardown(() => second[Symbol.asyncDispose]())
  await until('the second connection joins', async () => {
    await ask(second, 'turns')
    const flows = await faultingFlows(agent)
    return flows.some(({ identity, state }) => state === 'joined' && !before.has(identity))
  })
  await blockedWalks(agent, 1)
  return second
}

async function ask(faulting: Faulting, command: string): Promise<number> {
  faulting.write(`${command}\n`)
  return (await faulting.take(command)).error
}

async function faultingFlows(agent: AgentProcess): Promise<FlowView[]> {
  return (await agent.flows()).filter(({ server }) => server?.pod === 'shop/pod-3')
}

/** Whether all connections of the third pod are redirected. */
async function isJoined(agent: AgentProcess): Promise<boolean> {
  const flows = await faultingFlows(agent)
  return flows.length > 0 && flows.every(({ state }) => state === 'joined')
}

/** Half of the load's connections block, and stay on TCP; the others are redirected. */
async function accelerated(agent: AgentProcess, load: Load): Promise<void> {
  await until('the load is accelerated', async () => {
    const flows = (await agent.flows()).filter(
      ({ server, state }) => server?.pod === 'shop/pod-2' && state === 'joined',
    )
    return flows.length >= load.connections / 2 && allRedirected(flows, flows.length)
  })
}

/** Waits until this many walks of the agent wait for a lock. Resolves to their pids. */
function blockedWalks(agent: AgentProcess, count: number): Promise<number[]> {
  return until(`${count} walks are blocked`, () => {
    const blocked = walkers().filter(
      ({ pid, parent, state }) => parent === agent.pid && state === 'D' && isThere(pid),
    )
    return blocked.length === count && blocked.map(({ pid }) => pid)
  })
}

function walkers(): { pid: number; parent: number; state: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    const [, pid, state, parent] = /^(\d+) \(meshaccel-walk\) (\w) (\d+)/.exec(statOf(name)) ?? []
    return state === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), state }]
  })
}

/** Whether the process exists and is not a zombie. */
function isThere(pid: number): boolean {
  return /^\d+ \(meshaccel-walk\) [^Z]/.test(statOf(String(pid)))
}

function statOf(name: string): string {
  try {
    return readFileSync(`/proc/${name}/stat`, 'utf8')
  } catch {
    return ''
  }
}

function run(mesh: Mesh, command: string, ...flags: string[]): Promise<CliResult> {
  return runCommand([command, '--socket', mesh.socket, '--pin', mesh.pinDir, ...flags])
}
