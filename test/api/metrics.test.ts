import { test } from 'tap'
import { RunningAgent } from '../helpers/running-agent.ts'

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
