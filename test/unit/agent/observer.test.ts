import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import type { DatapathEvent } from '../../../src/datapath/datapath.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { until } from '../../helpers/retry.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'

const pods = [
  { namespace: 'shop', name: 'cart-0', netns: '/run/netns/7', mesh: 'istio', enabled: true },
  { namespace: 'web', name: 'front-0', netns: '/run/netns/8', mesh: 'istio', enabled: true },
]

const slow = (kind: 'slow-read' | 'slow-request', ms: number): DatapathEvent => ({
  kind,
  netnsCookie: 7n,
  pid: 42,
  comm: 'cart',
  flow: {
    peerCookie: 8n,
    role: 'client',
    local: '10.0.0.1:40000',
    remote: '10.0.0.2:80',
    path: 'redirect',
    endedNs: process.hrtime.bigint(),
    durationNs: BigInt(ms) * 1_000_000n,
  },
})

/** Without a client, under the default settings. */
const samples = {
  histograms: true,
  oneIn: 16,
  slowReadMs: 0,
  slowRequestMs: 0,
  changes: false,
  trial: [],
}
const everything = { ...samples, oneIn: 1 }

/** A `meshaccel trace` in this process, and how to end it as Ctrl-C does. */
async function tracing(
  agent: RunningAgent,
  ...flags: string[]
): Promise<{
  result: ReturnType<typeof runCommand>
  told: (what: string) => Promise<unknown>
  interrupt: () => void
}> {
  const end = new AbortController()
  let said = ''
  const add = (more: string): void => void (said += more)
  const result = runCommand(['trace', ...flags, '--socket', agent.socket], {
    signal: end.signal,
    onStdout: add,
    onStderr: add,
  })
  const told = (what: string): Promise<unknown> => until(what, () => said.includes(what))
  await told('tracing')
  return { result, told, interrupt: () => end.abort() }
}

void test('events are measured while somebody traces, each as slow as its tracer asked', async (t) => {
  await using agent = new RunningAgent(pods)
  await agent.start()
  t.strictSame(agent.datapath.settings, samples)
  const coarse = await tracing(agent, '--slow-read', '500')
  const fine = await tracing(agent, '--slow-read', '20', '-o', 'json')
  t.strictSame(agent.datapath.settings, { ...everything, slowReadMs: 20, changes: true })

  agent.datapath.tell(slow('slow-read', 100))
  agent.datapath.dropped = 3n
  agent.datapath.tell(slow('slow-read', 1000))
  // A process chooses its own name.
  const comm = 'x\u001B[2J'
  agent.datapath.tell({ kind: 'fallback', netnsCookie: 9n, pid: 1, comm, reason: 'stream' })
  await coarse.told('stream')
  await fine.told('stream')
  coarse.interrupt()
  fine.interrupt()

  const { code, stdout } = await coarse.result
  t.equal(code, 0, 'Ctrl-C is an orderly end')
  const lines = stdout.split('\n')
  t.match(lines[0], /^TIME +EVENT +POD +PROCESS +CONNECTION +WHAT$/)
  t.equal(lines[1], '(3 events left out: too many)')
  t.match(
    lines[2],
    /slow-read +shop\/cart-0 +cart\[42\] +10\.0\.0\.1:40000 > 10\.0\.0\.2:80 \(web\/front-0\) +1\.0 s unread, redirected$/,
  )
  t.match(lines[3], /fallback +\? +x\uFFFD\[2J\[1\] +- +stream: it is a stream/)
  const events: unknown[] = (await fine.result).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(events, [
    { kind: 'slow-read', pod: 'shop/cart-0', durationUs: 100_000, dropped: 0 },
    { durationUs: 1_000_000, dropped: 3 },
    { kind: 'fallback', pod: '', reason: 'stream' },
  ])
  await until('only samples are taken', () => agent.datapath.settings?.changes === false)
  t.strictSame(agent.datapath.settings, samples, 'and costs no more afterwards')
})

void test('a trace ends with its agent, and says so', async (t) => {
  await using agent = new RunningAgent(pods)
  await agent.start()
  const { result } = await tracing(agent)
  agent.terminate()
  await agent.result
  t.match(await result, { code: 1, stderr: /it has ended/ })
})

void test('a kernel that refuses to measure is no reason not to run', async (t) => {
  await using agent = new RunningAgent(pods)
  agent.datapath.measureError = new Error('no such tracepoint')
  await agent.start('--measure', 'namespaces')
  t.match(agent.stderr, /no such tracepoint.*nothing is measured/)
  t.match(await agent.run('trace'), { code: 1, stderr: /no such tracepoint/ })
})

void test('pods are measured by their namespace, or each by itself', async (t) => {
  await using one = new RunningAgent(pods)
  await one.start('--measure', 'namespaces')
  t.match(one.datapath.settings, { histograms: true, oneIn: 16 })
  t.strictSame(
    [...one.datapath.labels],
    [
      [7n, 'shop'],
      [8n, 'web'],
    ],
  )
  await using other = new RunningAgent(pods)
  await other.start('--measure', 'pods')
  t.equal(other.datapath.labels.get(7n), 'shop/cart-0')
  await using none = new RunningAgent(pods)
  await none.start('--measure', 'off')
  t.match(none.datapath.settings, { histograms: false })
})

void test('slow requests go to a collector as spans', async (t) => {
  const bodies: string[] = []
  const collector = createServer((request, response) => {
    const receive = async (): Promise<void> => {
      bodies.push(`${request.method} ${request.url} ${await text(request)}`)
      response.end('{}')
    }
    void receive()
  }).listen(0, '127.0.0.1')
  t.teardown(() => collector.close())
  await once(collector, 'listening')
  const address = collector.address()
  const port = typeof address === 'object' ? address?.port : undefined

  await using agent = new RunningAgent(pods)
  await agent.start('--otlp', `http://127.0.0.1:${port}`, '--slow-request', '50')
  t.strictSame(agent.datapath.settings, { ...everything, slowRequestMs: 50 })
  agent.datapath.tell(slow('slow-request', 200))
  agent.datapath.tell(slow('slow-request', 10))
  agent.terminate()
  await agent.result

  t.equal(bodies.length, 1, 'at the end what is left is sent')
  const [sent = ''] = bodies
  t.ok(sent.startsWith('POST /v1/traces '))
  const request: {
    resourceSpans: { scopeSpans: { spans: { [key: string]: unknown }[] }[] }[]
  } = JSON.parse(sent.slice('POST /v1/traces '.length))
  const spans = request.resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans: some }) => some),
  )
  t.equal(spans.length, 1)
  const [span] = spans
  t.match(span, { name: 'request to web/front-0' })
  const tookNs = Number(span?.['endTimeUnixNano']) - Number(span?.['startTimeUnixNano'])
  t.ok(Math.abs(tookNs - 200e6) < 1e6, `${tookNs}`)
  t.match(JSON.stringify(span), /"k8s\.pod\.name","value":\{"stringValue":"cart-0"\}/)
  t.match(await runCommand(['agent', '--pods', 'file:x', '--otlp', 'collector']), { code: 2 })
})
