import { test } from 'tap'
import { Metrics } from '../../../src/api/metrics.ts'
import type { StatusView } from '../../../src/api/views.ts'
import { parseMetrics } from '../../helpers/metrics.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'
import { sampleMeasurement, sampleStatus } from '../../helpers/sample-status.ts'

async function serving(): Promise<{ agent: RunningAgent; scrape: () => Promise<string> }> {
  const agent = new RunningAgent([
    { namespace: 'shop', name: 'cart-0', netns: '/run/netns/7', mesh: 'istio', enabled: true },
  ])
  await agent.start('--metrics', '127.0.0.1:0')
  const port = /"port":(\d+),"msg":"serves probes and metrics"/.exec(agent.stderr)?.[1]
  return {
    agent,
    scrape: async () => {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`)
      return `${response.status}\n${await response.text()}`
    },
  }
}

void test('the state of the agent, each time it is asked for', async (t) => {
  const { agent, scrape } = await serving()
  await using _ = agent
  agent.datapath.counted = {
    redirectedBytes: 1000n,
    redirectedMessages: 5n,
    tcpBytes: 2048n,
    tcpMessages: 1n,
    reasons: { stream: 3n },
  }
  agent.datapath.unreadBytes = 77n
  const first = await scrape()
  for (const line of [
    'meshaccel_redirected_bytes_total 1000',
    'meshaccel_tcp_bytes_total 2048',
    'meshaccel_messages_total{path="redirect"} 5',
    'meshaccel_messages_total{path="tcp"} 1',
    'meshaccel_fallbacks_total{reason="stream"} 3',
    'meshaccel_enrolled_pods 1',
    'meshaccel_unread_bytes 77',
    'meshaccel_policy{policy="refused"} 0',
    'meshaccel_source_synced{source="file"} 1',
  ]) {
    t.ok(first.includes(`\n${line}\n`), line)
  }
  t.match(first, /\n# TYPE meshaccel_redirected_bytes_total counter\n/)
  agent.datapath.counted = { ...agent.datapath.counted, redirectedBytes: 1500n }
  t.match(await scrape(), /\nmeshaccel_redirected_bytes_total 1500\n/)
})

void test('names and labels are those that dashboards rely on, and agree with the status', async (t) => {
  const { agent, scrape } = await serving()
  await using _ = agent
  agent.datapath.gauge = { now: 5, watched: 2, joined: 3, engaged: 1, plain: 3, mixed: 1 }
  agent.datapath.unreadBytes = 9n
  agent.datapath.measurements = [
    sampleMeasurement('shop', 'web'),
    sampleMeasurement('shop/cart-0', 'other'),
  ]
  agent.datapath.tell({ kind: 'quarantined', netnsCookie: 7n, pid: 1, comm: 'x' })
  const text = await scrape()
  const samples = parseMetrics(text)
  const value = (name: string, labels: Record<string, string> = {}): number | undefined =>
    samples.find(
      (sample) =>
        sample.name === `meshaccel_${name}` &&
        Object.entries(labels).every(([key, of]) => sample.labels[key] === of),
    )?.value
  const status: StatusView = JSON.parse((await agent.run('status', '-o', 'json')).stdout)
  for (const [state, count] of Object.entries(status.connections)) {
    t.equal(value('connections', { state: state === 'now' ? 'all' : state }), count, state)
  }
  for (const [probe, ok] of Object.entries(status.selfTest)) {
    t.equal(value('self_test', { probe }), ok ? 1 : 0, probe)
  }
  t.equal(value('self_test', { probe: 'splice' }), 0)
  t.equal(value('policy', { policy: status.policy }), 1)
  t.equal(value('unread_bytes'), Number(status.unreadBytes))
  t.equal(value('enrolled_pods'), status.pods.enrolled)
  t.equal(value('events_total', { kind: 'quarantined' }), 1)
  t.equal(value('events_total', { kind: 'slow-read' }), 0)
  t.ok((value('reconcile_seconds_count') ?? 0) >= 1)

  const pair = { source_namespace: 'shop', destination_namespace: 'web', path: 'redirect' }
  for (const name of ['request_seconds', 'read_delay_seconds', 'message_bytes']) {
    t.match(text, `# TYPE meshaccel_${name} histogram`)
    const count = value(`${name}_count`, pair)
    t.ok(count !== undefined && count > 1, name)
    t.equal(value(`${name}_bucket`, { ...pair, le: '+Inf' }), count, 'buckets are cumulative')
  }
  t.equal(value('request_seconds_bucket', { ...pair, le: '0.002' }), 2)
  t.equal(value('request_seconds_sum', pair), 2.5)
  const labels = new Set(
    samples
      .filter(({ name }) => name === 'meshaccel_request_seconds_sum')
      .map((sample) => Object.keys(sample.labels).join()),
  )
  t.strictSame(
    [...labels],
    [
      'source_namespace,destination_namespace,path',
      'source_namespace,source_pod,destination_namespace,path',
    ],
    'pods are told where they are told apart',
  )
})

void test('a scrape that fails says why, and the next one works', async (t) => {
  const { agent, scrape } = await serving()
  await using _ = agent
  const survey = agent.datapath.survey.bind(agent.datapath)
  agent.datapath.survey = () => {
    throw new Error('the map is gone')
  }
  t.match(await scrape(), /^500\n.*the map is gone/)
  agent.datapath.survey = survey
  t.match(await scrape(), /^200\n/)
})

void test('what the guard watches and holds, by namespace', async (t) => {
  const guarded: StatusView['guarded'] = [
    { namespace: 'shop', limitPercent: 10, pairs: 20, p99Ratio: 1.5, heldSince: '2026-11-30' },
    { namespace: 'shop', limitPercent: 50, pairs: 9, p99Ratio: 1.25 },
    { namespace: 'bank', limitPercent: 10, pairs: 0 },
  ]
  let status: StatusView = { ...sampleStatus, guarded }
  const page = new Metrics().page({ status: async () => status }, () => [])
  const { body } = await page()
  const lines = body.split('\n').filter((line) => line.startsWith('meshaccel_guard_'))
  t.strictSame(lines.toSorted(), [
    'meshaccel_guard_p99_ratio{namespace="shop"} 1.5',
    'meshaccel_guard_tripped{namespace="bank"} 0',
    'meshaccel_guard_tripped{namespace="shop"} 1',
  ])
  status = { ...status, guarded: [] }
  t.notMatch(
    (await page()).body,
    /\nmeshaccel_guard_tripped\{/,
    'a guard that is gone is not shown',
  )
})
