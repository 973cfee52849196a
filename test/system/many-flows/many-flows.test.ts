import { once } from 'node:events'
import { test } from 'tap'
import { ControlClient } from '../../../src/api/client.ts'
import type { FlowView } from '../../../src/api/views.ts'
import { flowBetween } from '../../helpers/flows.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'

const pod = { namespace: 'shop', mesh: 'istio', enabled: true }

/** 50,000 connections: one in a hundred is slow, one in a thousand belongs to stock-0. */
const connections = Array.from({ length: 50_000 }, (_, i) =>
  flowBetween(
    7n,
    i % 1000 === 0 ? 8n : undefined,
    i % 100 === 1 ? { reason: 'stream' } : { redirectedBytes: 5n },
  ),
)

async function serving(): Promise<RunningAgent> {
  const agent = new RunningAgent([
    { ...pod, name: 'cart-0', netns: '/run/netns/7' },
    { ...pod, name: 'stock-0', netns: '/run/netns/8' },
  ])
  agent.datapath.flowTable = connections
  await agent.start()
  return agent
}

async function flows(agent: RunningAgent, ...flags: string[]): Promise<FlowView[]> {
  const { flows: shown }: { flows: FlowView[] } = JSON.parse(
    (await agent.run('flows', '-o', 'json', ...flags)).stdout,
  )
  return shown
}

void test('of 50,000 connections the agent sends what is asked for', async (t) => {
  await using agent = await serving()
  t.equal((await flows(agent)).length, 50_000)
  const ofStock = await flows(agent, '--pod', 'shop/stock-0')
  t.equal(ofStock.length, 50)
  t.ok(ofStock.every(({ server }) => server?.pod === 'shop/stock-0'))
  const slow = await flows(agent, '--reason', 'stream')
  t.equal(slow.length, 500)
  t.ok(slow.every(({ directions }) => directions.some(({ reason }) => reason === 'stream')))
  t.equal((await flows(agent, '--path', 'tcp')).length, 500)
  t.equal((await flows(agent, '--path', 'tcp', '--pod', 'shop/stock-0')).length, 0)
  t.equal((await flows(agent, '--reason', 'no-such')).length, 0)
  const few = await flows(agent, '--path', 'tcp', '--limit', '3')
  t.strictSame(few, slow.slice(0, 3))
  t.match(
    (await agent.run('flows', '--limit', '3')).stdout,
    /\nThe first 3; --limit 0 shows all\.\n$/,
  )
  for (const limit of ['-1', '1.5', 'some']) {
    t.match(await agent.run('flows', '--limit', limit), { code: 2, stderr: /--limit must be/ })
  }
})

void test('top shows 50,000 connections', async (t) => {
  await using agent = await serving()
  const { stdout } = await agent.run('top', '--once', '--interval', '0.1')
  t.match(stdout, /shop\/cart-0 +50000 +49500 .* stream\n/)
})

void test('others are answered while the agent looks at its connections', async (t) => {
  await using agent = await serving()
  let looks = 0
  const answered = new AbortController()
  agent.datapath.flows = async function* look() {
    looks += 1
    yield connections.slice(0, 500)
    if (!answered.signal.aborted) await once(answered.signal, 'abort')
    yield connections.slice(500, 1000)
  }
  using client = await ControlClient.connect(agent.socket)
  const asked = [client.call('Overview', {}), client.call('Overview', {})] as const
  const pods = client.call('Pods', {})
  t.match(await client.call('Status', {}), { state: 'accelerating' })
  answered.abort()
  const [one, other] = await Promise.all(asked)
  t.match(one.hops, [
    { engaged: 989, plain: 10 },
    { engaged: 1, plain: 0 },
  ])
  t.strictSame(one, other)
  t.match((await pods).pods, [{ connections: { engaged: 990, plain: 10 } }, {}])
  t.equal(looks, 2, 'who asks for the same at the same time shares one look')
})
