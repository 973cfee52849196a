import { test } from 'tap'
import type { TrialOutcome } from '../../../../src/cli/trial/outcome.ts'
import { runCommand } from '../../../helpers/cli-run.ts'
import { RunningAgent } from '../../../helpers/running-agent.ts'

const bounds = [0.001, 0.002, 0.004]

/** An agent whose pods answer in 1 to 2 ms if they are accelerated, else in 2 to 4 ms. */
async function accelerating(enabled?: boolean): Promise<RunningAgent> {
  const pod = { namespace: 'shop', name: 'cart', netns: '/run/netns/7', mesh: 'istio' }
  const agent = new RunningAgent([{ ...pod, ...(enabled === undefined ? {} : { enabled }) }])
  const counts = [0, 0, 0, 0]
  let bytes = 0n
  agent.datapath.trialCounts = () => {
    const isOn = agent.datapath.pods.get(7n)?.exclusions === undefined
    counts[isOn ? 1 : 2] = (counts[isOn ? 1 : 2] ?? 0) + 100
    bytes += 1000n
    const count = counts.reduce((sum, one) => sum + one, 0)
    const requestSeconds = { bounds, counts: [...counts], count }
    const sums = { redirectedBytes: bytes, tcpBytes: bytes, requestSeconds }
    return [{ netnsCookie: 7n, isProxy: false, ...sums }]
  }
  await agent.start()
  return agent
}

const short = ['--for', '6s', '--window', '500ms']

void test('a trial of a namespace that nobody has enabled finds its gain', async (t) => {
  await using agent = await accelerating()
  const { code, stdout, stderr } = await agent.run('trial', 'shop', ...short, '-o', 'json')
  t.equal(code, 0, stderr)
  const outcome: TrialOutcome = JSON.parse(stdout)
  t.match(outcome, {
    verdict: 'gains',
    requestsOf: 'programs',
    redirectedShare: 0.5,
    ratios: { p50: { median: 0.5, pairs: 6 }, cpu: undefined },
    advice: /`enabled: true`/,
  })
  t.equal(outcome.windows.length, 12)
  t.match(stderr, /6 pairs of windows of 500ms; the first 125ms of each do not count/)
  t.match(stderr, /window 12 of 12, .*; 0s left/)
  t.equal(agent.datapath.pods.size, 0, 'the pod is withdrawn again')
  t.equal(agent.datapath.settings?.trial.length, 0)
})

void test('Ctrl-C ends it and puts everything back', async (t) => {
  await using agent = await accelerating(true)
  const stop = new AbortController()
  const result = await runCommand(['trial', 'shop', ...short, '--socket', agent.socket], {
    agentParts: agent.parts,
    signal: stop.signal,
    onStderr: (text) => {
      if (text.startsWith('window 2 ')) stop.abort()
    },
  })
  t.match(result, {
    code: 1,
    stdout: /not sure yet/,
    stderr: /ended early; the namespace is as before/,
  })
  t.equal(agent.datapath.pods.get(7n)?.exclusions, undefined)
  t.equal(agent.datapath.pods.size, 1)
})

void test('a pod that is disabled by name stays disabled', async (t) => {
  await using agent = await accelerating(false)
  const { code, stderr } = await agent.run('trial', 'shop', ...short)
  t.equal(code, 1)
  t.match(stderr, /none of its pods can be accelerated: disabled/)
  t.equal(agent.datapath.pods.size, 0)
})

void test('too few windows, and a namespace without pods', async (t) => {
  await using agent = await accelerating()
  t.match(await agent.run('trial', 'shop', '--for', '1m', '--window', '20s'), {
    code: 2,
    stderr: /--for must leave time for 6 pairs of windows: 4m/,
  })
  t.match(await agent.run('trial', 'bank', ...short), { code: 1, stderr: /no pods on this node/ })
})
