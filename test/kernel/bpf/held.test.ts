/** A connection whose reader never reads, while everything else must leave. */
import { existsSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import type { FlowView } from '../../../src/api/views.ts'
import { isLeaving } from '../../../src/datapath/pins/pin-directory.ts'
import { AgentProcess } from '../../helpers/agent-process.ts'
import { AnotherVersion, withNumber } from '../../helpers/another-version.ts'
import type { Child } from '../../helpers/child.ts'
import { type CliResult, runCommand } from '../../helpers/cli-run.ts'
import { kernelObjects, stillThere } from '../../helpers/kernel-objects.ts'
import { Load } from '../../helpers/load.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

interface Flooded {
  readonly event: string
  readonly sent: number
  readonly received: number
}

const CONNECTIONS = 4
const UNREAD = 1000

for (const how of ['with an agent', 'without an agent'] as const) {
  void test(`drained and cleaned up while somebody never reads, ${how}`, async (t) => {
    if (!requireRoot(t)) return
    const { mesh, agent, load, holder } = await held(t)
    const objects = kernelObjects(mesh.pinDir)
    if (how === 'without an agent') await agent.kill('SIGKILL')
    const pod = how === 'with an agent' ? 'shop/pod-3' : String.raw`a pod with netns cookie \d+`
    const where = String.raw`127\.0\.0\.1:\d+`
    const named = new RegExp(
      String.raw`flood \(pid \d+\) of ${pod} has not read \d+ bytes of the TCP connection ` +
        `from ${where} to ${where}`,
    )

    for (const command of ['drain', 'cleanup']) {
      const { code, stderr } = await run(mesh, command, '--timeout', '1')
      t.equal(code, 1, `${command} does not say that it is done`)
      t.match(stderr, named, `${command} tells who does not read`)
      t.equal(stderr.match(/has not read/g)?.length, 1, 'and of nobody else')
      t.match(stderr, '--force', 'and what to do')
    }
    t.ok(existsSync(mesh.pinDir), 'what it needs is left')
    await load.goesOn('on TCP')
    const read = await ask(holder, 'drain')
    t.equal(read.received, read.sent, 'no byte of it is lost')

    t.match(await run(mesh, 'cleanup'), { code: 0 }, 'once it has read, it leaves')
    t.notOk(existsSync(mesh.pinDir))
    await until('no object is left', () => stillThere(objects).length === 0)
    await load.end(t)
  })

  void test(`cleaned up by force while somebody never reads, ${how}`, async (t) => {
    if (!requireRoot(t)) return
    const { mesh, agent, load, holder } = await held(t)
    const objects = kernelObjects(mesh.pinDir)
    if (how === 'without an agent') await agent.kill('SIGKILL')
    t.match(await run(mesh, 'cleanup', '--timeout', '1', '--force'), { code: 0 })
    t.notOk(existsSync(mesh.pinDir), 'no pin is left')
    await until('no object is left', () => stillThere(objects).length === 0)
    if (how === 'with an agent') t.match(agent.log, /reset a connection/, 'it is told')
    await t.rejects(ask(holder, 'drain'), /flood: recv: /, 'its reader gets an error')
    await load.end(t)
  })
}

void test('what TCP has brought behind redirected bytes is never read in their place', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, load, holder } = await held(t, 'flood')
  const { code, stderr } = await run(mesh, 'cleanup', '--timeout', '1', '--force')
  t.equal(code, 1)
  t.match(stderr, /flood \(pid \d+\) of shop\/pod-3 has not read/)
  t.match(stderr, 'end the processes that hold them')
  await load.goesOn('on TCP')
  await t.rejects(ask(holder, 'drain'), /flood: recv: /, 'it reads all in order, and then an error')
  t.match(await run(mesh, 'cleanup'), { code: 0 }, 'its process has ended')
  t.notOk(existsSync(mesh.pinDir))
  await load.end(t)
})

void test('another version takes over while somebody never reads', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, agent, load, holder } = await held(t)
  await agent.kill('SIGTERM')
  const [version = ''] = readdirSync(mesh.pinDir)
  const other = version.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
  renameSync(join(mesh.pinDir, version), join(mesh.pinDir, other))
  const left = `leaving-${other}-1`

  let next = await mesh.startAgent()
  t.match(next.log, /kept for connections whose readers do not read/)
  t.strictSame(readdirSync(mesh.pinDir).toSorted(), [version, left])
  await until('all others join it', async () => {
    const flows = await next.flows()
    return flows.filter(({ state }) => state === 'joined').length === CONNECTIONS
  })
  await next.kill('SIGKILL')
  next = await mesh.startAgent()
  t.match(next.log, /"msg":"adopted"/, 'it does not wait for it again')
  t.strictSame(readdirSync(mesh.pinDir).toSorted(), [version, left])

  const read = await ask(holder, 'drain')
  t.equal(read.received, read.sent, 'no byte is lost')
  await until('the other version is gone', () => !existsSync(join(mesh.pinDir, left)))
  const gone = 'the last connections of another version have left'
  await until('the log says so', () => next.log.includes(gone))
  await until('it joins the new one', async () => {
    await ask(holder, 'turns 100')
    return isRedirected(await next.flows())
  })
  await load.end(t)
})

void test('an upgrade that is killed while it drains, and rolled back, leaves nothing switched off', async (t) => {
  if (!requireRoot(t)) return
  using other = new AnotherVersion(withNumber('TURNS', 5))
  const { mesh, agent, load, holder } = await held(t)
  await agent.kill('SIGTERM')
  const ours = mesh.cli
  mesh.cli = other.cli
  const upgrade = new AgentProcess(mesh, ['--policy', 'strict'])
  await until('it drains', () => upgrade.log.includes('draining the data path of another version'))
  await until('it has begun', () => readdirSync(mesh.pinDir).some(isLeaving))
  await upgrade.kill('SIGKILL')

  mesh.cli = ours
  const back = await mesh.startAgent()
  t.equal((await back.status()).state, 'accelerating')
  await until('all others join', async () => {
    const flows = await back.flows()
    return flows.filter(({ state }) => state === 'joined').length === CONNECTIONS
  })
  await readsAndLeaves(t, mesh, holder)
  await load.end(t)
})

void test('an agent that its self-test refuses still drains the version before', async (t) => {
  if (!requireRoot(t)) return
  using other = new AnotherVersion(withNumber('TURNS', 4000))
  const { mesh, agent, load, holder } = await held(t)
  await agent.kill('SIGTERM')
  const ours = mesh.cli
  mesh.cli = other.cli
  const refused = await mesh.startAgent('--policy', 'auto')
  t.equal((await refused.status()).state, 'refused')
  t.ok(readdirSync(mesh.pinDir).some(isLeaving), 'the reader has not read yet')
  await readsAndLeaves(t, mesh, holder)
  mesh.cli = ours
  await load.end(t)
})

/** Has the reader read, so that the version which was set aside for it can leave. */
async function readsAndLeaves(t: Test, mesh: Mesh, holder: Child<Flooded>): Promise<void> {
  const read = await ask(holder, 'drain')
  t.equal(read.received, read.sent, 'no byte is lost')
  await until('what was set aside is gone', () => !readdirSync(mesh.pinDir).some(isLeaving))
}

/**
 * A mesh with a load between two pods, and a connection in the third pod. Its reader does not read the bytes of one
 * send, or of all sends until the buffer was full: TCP bytes behind redirected ones.
 */
async function held(
  t: Test,
  how: 'send' | 'flood' = 'send',
): Promise<{ mesh: Mesh; agent: AgentProcess; load: Load; holder: Child<Flooded> }> {
  const mesh = await Mesh.make(t, { pods: 3 })
  const agent = await mesh.startAgent()
  const load = await Load.start(mesh, CONNECTIONS)
  const holder = mesh.pod(2).run<Flooded>('flood')
  t.teardown(async () => {
    await load[Symbol.asyncDispose]()
    await holder[Symbol.asyncDispose]()
  })
  await until('all have joined', async () => {
    await ask(holder, 'turns 100')
    const flows = await agent.flows()
    return flows.every(({ state }) => state === 'joined') && isRedirected(flows)
  })
  await ask(holder, `${how} ${UNREAD}`)
  return { mesh, agent, load, holder }
}

/** Whether sends in the third pod are redirected now. */
function isRedirected(flows: readonly FlowView[]): boolean {
  const directions = flows.find(({ client }) => client?.pod === 'shop/pod-3')?.directions
  return directions?.every(({ path }) => path === 'redirect') ?? false
}

function ask(child: Child<Flooded>, command: string): Promise<Flooded> {
  const [event = ''] = command.split(' ')
  child.write(`${command}\n`)
  return child.take(event)
}

function run(mesh: Mesh, command: string, ...flags: string[]): Promise<CliResult> {
  const where = ['--socket', mesh.socket, '--pin', mesh.pinDir]
  return runCommand([command, ...where, ...flags])
}
