import { once } from 'node:events'
import { test, type Test } from 'tap'
import type { Flow } from '../../../../src/datapath/datapath.ts'
import { everything } from '../../../../src/reconcile/on-tcp.ts'
import { runCommand, type CliResult } from '../../../helpers/cli-run.ts'
import { RunningAgent } from '../../../helpers/running-agent.ts'

async function start(t: Test): Promise<RunningAgent> {
  const agent = new RunningAgent([
    { namespace: 'shop', name: 'cart', netns: '/run/netns/7', mesh: 'istio', enabled: true },
  ])
  t.teardown(() => agent[Symbol.asyncDispose]())
  await agent.start()
  return agent
}

/** Runs `capture --hold`. `held` resolves once the pod is on TCP, or the command has ended. */
function hold(agent: RunningAgent, ...args: readonly string[]) {
  const stop = new AbortController()
  const held = new AbortController()
  const result: Promise<CliResult> = runCommand(
    ['capture', 'shop/cart', '--hold', ...args, '--socket', agent.socket],
    {
      signal: stop.signal,
      onStderr: (text) => {
        if (text.includes('is on TCP')) held.abort()
      },
    },
  )
  return {
    stop: () => stop.abort(),
    held: Promise.race([once(held.signal, 'abort'), result]),
    result,
  }
}

const isOnTcp = ({ datapath }: RunningAgent): boolean =>
  datapath.pods.get(7n)?.exclusions === everything

async function heldPods(agent: RunningAgent): Promise<unknown> {
  const { stdout } = await agent.run('status', '-o', 'json')
  const status: { heldPods: unknown } = JSON.parse(stdout)
  return status.heldPods
}

void test('the pod is on TCP until Ctrl-C, or for the time that was named', async (t) => {
  const agent = await start(t)
  const running = hold(agent)
  await running.held
  t.ok(isOnTcp(agent))
  t.strictSame(await heldPods(agent), ['shop/cart'])
  t.match((await agent.run('status')).stdout, /^on TCP +for a capture: shop\/cart$/m)
  running.stop()
  t.match(await running.result, {
    code: 0,
    stdout: '',
    stderr: /is on TCP for 10m; Ctrl-C ends it\nshop\/cart is again as its annotations say\n$/,
  })
  t.notOk(isOnTcp(agent))
  t.strictSame(await heldPods(agent), [])
  t.match(await hold(agent, '--for', '100ms').result, { code: 0 })
})

void test('the end of the agent ends it, and says what becomes of the pod', async (t) => {
  const agent = await start(t)
  const running = hold(agent)
  await running.held
  agent.terminate()
  t.match(await running.result, {
    code: 1,
    stderr: /the agent has ended\n {2}An agent that starts puts the pod back/,
  })
})

void test('a reader that does not read is named when the time is over', async (t) => {
  const agent = await start(t)
  const direction = { path: 'redirect', redirectedBytes: 9n, tcpBytes: 0n, unreadBytes: 9 } as const
  const end = { netnsCookie: 7n, readerPid: 5, readerComm: 'app', proven: true }
  const flow: Flow = {
    identity: '1:2',
    ageMs: 1,
    state: 'leaving',
    client: { ...end, address: '10.0.0.1:4000' },
    server: { ...end, address: '10.0.0.2:80' },
    clientToServer: direction,
    serverToClient: { ...direction, unreadBytes: 0 },
  }
  agent.datapath.flowTable = [flow]
  const { code, stderr } = await hold(agent, '--timeout', '300ms').result
  t.equal(code, 1)
  t.match(stderr, /not within 300ms: 1 connection is leaving the fast path; app \(pid 5\) of shop/)
  t.notOk(isOnTcp(agent))

  const ended = hold(agent)
  ended.stop()
  t.match(await ended.result, { code: 1, stderr: /ended before the capture began/ })
  t.notOk(isOnTcp(agent))
})

void test('a mistake changes nothing', async (t) => {
  const agent = await start(t)
  const { calls } = agent.datapath
  const before = calls.length
  const fails = async (code: number, stderr: RegExp, ...args: string[]): Promise<void> =>
    void t.match(await agent.run('capture', ...args), { code, stderr }, args.join(' '))
  await fails(1, /does not see this pod/, 'shop/stock', '--hold')
  await fails(2, /NAMESPACE\/NAME, not cart/, 'cart', '--hold')
  await fails(2, /--hold captures nothing/, 'shop/cart', '--hold', '-w', 'file')
  await fails(2, /--snaplen must/, 'shop/cart', '--snaplen', '0')
  await fails(2, /--for must be a duration/, 'shop/cart', '--for', 'ever')
  t.equal(calls.length, before)
  const user = await runCommand(['capture', 'shop/cart', '--hold'], { uid: 1000 })
  t.match(user, { code: 1, stderr: /only root may/ })
})
