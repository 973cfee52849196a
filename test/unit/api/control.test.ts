import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { ControlClient } from '../../../src/api/client.ts'
import { ControlServer } from '../../../src/api/server.ts'
import type {
  Control,
  FlowView,
  HopEnds,
  HopView,
  TrialEventView,
  TrialWindowView,
} from '../../../src/api/views.ts'
import { MeshaccelError } from '../../../src/lib/errors.ts'
import { createLog } from '../../../src/lib/log.ts'
import { until } from '../../helpers/retry.ts'
import { sampleBegun, sampleReport } from '../../helpers/sample-advice.ts'

const huge = 2n ** 64n - 1n

function flow(number: number): FlowView {
  const bytes = { redirectedBytes: huge, tcpBytes: 0n, unreadBytes: 1n }
  return {
    identity: number.toString(16),
    state: 'joined',
    ageMs: 5n,
    client: { pod: 'a/b', address: '10.0.0.1:1' },
    directions: [
      { from: 'client', path: 'redirect', ...bytes },
      { from: 'server', path: 'tcp', reason: 'stream', ...bytes },
    ],
  }
}

const hop: HopView = {
  ends: { client: 'a/b' },
  engaged: 1,
  plain: 2,
  reasons: { stream: 2 },
  redirectedBytes: huge,
  tcpBytes: 1n,
  unreadBytes: 0n,
}

const latency = { requests: huge, meanUs: 0.25, medianUs: 1e6, p99Us: 1 / 3 }

const requests = { count: 3n, p50Us: 0.5, p90Us: 1 / 3, p99Us: 1e6 }

const trialWindow: TrialWindowView = {
  pair: 1,
  on: false,
  startMs: 0n,
  durationMs: 17_000n,
  programs: requests,
  proxies: { ...requests, count: 0n },
  redirectedBytes: huge,
  tcpBytes: 0n,
  cpu: [{ pod: 'a/b', cpuUs: huge }],
}

const trialRequest = { namespace: 'a', windowMs: 1000, settleMs: 100, pairs: 6, seed: 2 ** 32 - 1 }

const control: Control = {
  status: async () => ({
    state: 'accelerating',
    policy: 'strict',
    kernel: '6.18',
    version: '1',
    pods: { seen: 0, enrolled: 0 },
    connections: { now: 1, watched: 2, joined: 3, engaged: 4, plain: 5, mixed: 6 },
    totals: { redirectedBytes: huge, redirectedMessages: 0n, tcpBytes: 2n ** 53n, tcpMessages: 7n },
    unreadBytes: 1n,
    selfTest: { splice: false },
    reasons: { 'no-peer': huge, stream: 0n },
    source: { name: 'kubernetes', synced: true, error: 'no connection' },
    trial: { namespace: 'a', on: false },
    heldPods: ['a/b'],
    advice: { namespaces: ['b', 'c'] },
    guarded: [{ namespace: 'a', limitPercent: 2.5, pairs: 0 }],
  }),
  pods: async () => [
    {
      namespace: 'a',
      name: 'b',
      enrolled: false,
      ips: [],
      connections: { engaged: 0, plain: 0 },
      redirectedBytes: 0n,
    },
    {
      namespace: 'a',
      name: 'c',
      uid: 'u',
      mesh: 'istio',
      enrolled: true,
      heldBy: 'guard',
      netnsCookie: huge,
      ips: ['10.0.0.1', 'fd00::1'],
      connections: { engaged: 1, plain: 2 },
      redirectedBytes: 3n,
    },
  ],
  forgive: () => 1,
  readers: async () => [
    {
      namespace: 'a',
      name: 'b',
      program: '/usr/sbin/nginx',
      quarantined: false,
      connections: { proven: 1, unproven: { splice: 2 } },
    },
  ],
  flows: async function* flows() {},
  reasons: async () => ({ stream: 1n }),
  trace: () => ({ [Symbol.dispose]: () => undefined }),
  overview: async () => ({
    status: await control.status(),
    pods: await control.pods(),
    readers: await control.readers(),
    hops: [hop, { ...hop, ends: { client: '', server: 'a/b' } }],
    moreHops: 3,
    measuring: 'pods',
    latencies: [
      { source: 'a/b', destination: 'other', tcp: latency },
      { source: 'a/b', destination: 'a/c', redirect: latency, tcp: { ...latency, requests: 1n } },
    ],
  }),
  hold: async function* () {
    yield { waiting: { connections: 3, readers: 'app has not read 7 bytes' } }
    yield { held: { netnsPath: '/run/netns/7', netnsCookie: huge } }
  },
  trial: async function* () {
    yield {
      begun: { pods: ['a/b'], leftOut: [{ pod: 'a/c', reason: 'disabled' }], measuring: 'off' },
    }
    yield { window: trialWindow }
  },
  advise: async function* () {
    yield { begun: sampleBegun }
    yield { report: sampleReport }
  },
  hopFlows: async () => [flow(1)],
  drain: async () => true,
  resume: () => {
    throw new MeshaccelError('the kernel says „no“', {
      code: 'REFUSED',
      operation: 'resume',
      hint: 'Ask it nicely – or not at all.',
    })
  },
  cleanup: async () => {
    throw new TypeError('a bug')
  },
}

/** A directory whose path leaves room for a socket's name. */
function shortDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

async function serving(
  t: Test,
  changed: Partial<Control> = {},
  directory = shortDirectory(t),
): Promise<ControlClient> {
  const socket = join(directory, 'agent.sock')
  const log = createLog('silent')
  const server = await ControlServer.listen(socket, { ...control, ...changed }, log)
  const client = await ControlClient.connect(socket)
  t.teardown(async () => {
    client[Symbol.dispose]()
    await server.close()
  })
  return client
}

void test('messages arrive as they were sent, to the last bit', async (t) => {
  const client = await serving(t)
  t.strictSame(await client.call('Status', {}), await control.status())
  t.strictSame(await client.call('Pods', {}), { pods: await control.pods() })
  t.strictSame(await client.call('Readers', {}), { readers: await control.readers() })
  t.strictSame(await client.call('Reasons', {}), { reasons: await control.reasons() })
  t.strictSame(await client.call('Overview', {}), await control.overview())
  t.strictSame(await client.call('Drain', { timeoutMs: 1 }), { already: true })
})

void test('the connections of a hop are asked for by its ends, and in bounds', async (t) => {
  const asked: [HopEnds, number][] = []
  const client = await serving(t, {
    hopFlows: async (ends, limit) => {
      asked.push([ends, limit])
      return [flow(1)]
    },
  })
  const ends = { server: 'a/b' }
  t.strictSame(await client.call('HopFlows', { ends, limit: 5 }), { flows: [flow(1)] })
  await client.call('HopFlows', { ends: { client: '' }, limit: 0 })
  await client.call('HopFlows', { ends: null, limit: 1_000_000 })
  t.strictSame(asked, [
    [ends, 5],
    [{ client: '' }, 100],
    [{}, 1000],
  ])
})

void test('a trial arrives as it was sent', async (t) => {
  const client = await serving(t)
  const events: TrialEventView[] = []
  const { signal } = new AbortController()
  for await (const event of client.trial(trialRequest, signal)) events.push(event)
  const sent: TrialEventView[] = []
  for await (const event of control.trial(trialRequest, signal)) sent.push(event)
  t.strictSame(events, sent)
})

void test('a hold arrives as it was sent', async (t) => {
  const client = await serving(t)
  const { signal } = new AbortController()
  const events: unknown[] = []
  for await (const event of client.hold({ pod: 'a/b' }, signal)) events.push(event)
  const sent: unknown[] = []
  for await (const event of control.hold({ pod: 'a/b' }, signal)) sent.push(event)
  t.strictSame(events, sent)
})

void test('advice arrives as it was sent', async (t) => {
  const client = await serving(t)
  const { signal } = new AbortController()
  const events = []
  const request = { namespaces: ['shop'], forMs: 1 }
  for await (const event of client.advise(request, signal)) events.push(event)
  t.strictSame(events, [{ begun: sampleBegun }, { report: sampleReport }])
})

void test('a trial ends when its client goes, and when the agent ends', async (t) => {
  const ends: string[] = []
  /** Runs until its signal. */
  const trial: Control['trial'] = async function* ({ namespace }, signal) {
    yield { window: trialWindow }
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    ends.push(namespace)
  }
  const socket = join(shortDirectory(t), 'agent.sock')
  const server = await ControlServer.listen(socket, { ...control, trial }, createLog('silent'))
  const client = await ControlClient.connect(socket)
  t.teardown(() => client[Symbol.dispose]())
  const begin = async (
    namespace: string,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<TrialEventView>> => {
    const events = client.trial({ ...trialRequest, namespace }, signal)
    t.strictSame((await events.next()).value, { window: trialWindow })
    return events
  }
  const stop = new AbortController()
  const cut = await begin('client', stop.signal)
  const rest = cut.next()
  stop.abort()
  t.match(await rest, { done: true })
  await until('the trial of the client that went has ended', () => ends.includes('client'))
  const events = await begin('agent', new AbortController().signal)
  const last = events.next()
  await server.close()
  t.match(await last, { done: true })
  t.strictSame(ends, ['client', 'agent'])
})

async function* inChunks(flows: readonly FlowView[]): AsyncGenerator<readonly FlowView[]> {
  for (let at = 0; at < flows.length; at += 500) yield flows.slice(at, at + 500)
}

void test('50,000 flows arrive in chunks, in order and complete', async (t) => {
  const flows = Array.from({ length: 50_000 }, (_, number) => flow(number))
  const client = await serving(t, { flows: () => inChunks(flows) })
  let chunks = 0
  let received = 0
  for await (const chunk of client.flows()) {
    if (chunks === 0) t.strictSame(chunk[0], flow(0))
    for (const { identity } of chunk) {
      if (identity !== flows[received]?.identity) t.fail(`flow ${received} is ${identity}`)
      received += 1
    }
    chunks += 1
  }
  t.equal(received, 50_000)
  t.equal(chunks, 100)
})

void test("the agent's errors arrive whole", async (t) => {
  const client = await serving(t, {
    flows: () => {
      throw new MeshaccelError('no map', { code: 'ENOENT', operation: 'list flows' })
    },
  })
  await t.rejects(client.call('Resume', {}), {
    code: 'REFUSED',
    message: 'resume: the kernel says „no“',
    hint: 'Ask it nicely – or not at all.',
  })
  await t.rejects(client.call('Cleanup', { timeoutMs: 0 }), {
    code: 'AGENT_FAILED',
    message: 'ask the agent for cleanup: a bug',
  })
  await t.rejects(client.flows().next(), { code: 'ENOENT', message: 'list flows: no map' })
})

void test('a client that goes away in the middle of the flows harms nobody', async (t) => {
  const flows = Array.from({ length: 50_000 }, (_, number) => flow(number))
  const client = await serving(t, { flows: () => inChunks(flows) })
  for await (const chunk of client.flows()) {
    t.ok(chunk.length > 0)
    break
  }
  t.match(await client.call('Status', {}), { state: 'accelerating' })
})

void test('a client that is too slow for the events hears how many it has missed', async (t) => {
  let tell: Parameters<Control['trace']>[1] | undefined
  const client = await serving(t, {
    trace: (_, each) => {
      tell = each
      return { [Symbol.dispose]: () => undefined }
    },
  })
  const end = new AbortController()
  let [told, received, dropped] = [0, 0, 0]
  const event = (): void => {
    told += 1
    tell?.({ timeMs: 1n, kind: 'reset', pod: 'a/b', pid: 1, process: 'app', dropped: 0n })
  }
  const events = client.trace({ slowReadMs: 0 }, end.signal, () => {
    // All at once, so that no client reads in between.
    for (let i = 0; i < 5000; i += 1) event()
  })
  const listening = (async () => {
    for await (const { dropped: missed } of events) {
      received += 1
      dropped += Number(missed)
    }
  })()
  await until('all are accounted for', () => {
    if (told > 0 && received + dropped === told) return true
    // Dropped events are reported with the next one.
    if (received > 0) event()
    return false
  })
  t.ok(dropped > 0, `${received} heard, ${dropped} missed`)
  end.abort()
  await listening
})

void test('an agent that is not there is said to be not running', async (t) => {
  const directory = shortDirectory(t)
  await t.rejects(ControlClient.connect(join(directory, 'none')), {
    code: 'AGENT_NOT_RUNNING',
    message: /it is not running$/,
  })
})

void test('what is not gRPC is turned away', async (t) => {
  const directory = shortDirectory(t)
  const client = await serving(t, {}, directory)
  const socket = connect(join(directory, 'agent.sock'))
  socket.end('GET / HTTP/1.1\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
  t.match(await client.call('Status', {}), { state: 'accelerating' })
})
