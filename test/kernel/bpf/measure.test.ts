import { test } from 'tap'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import type { TraceEventView } from '../../../src/api/views.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { metricsOf, type Sample } from '../../helpers/metrics.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

interface Obeyed {
  readonly event: string
  /** errno; 0: success. */
  readonly error: number
}

const MESSAGE = 100

/** Some 50 of 200 slices are measured, and never so few as 17, which would be a third. */
const ONE_IN = 4
const SLICES = 200

async function ask(napper: Child<Obeyed>, command: string): Promise<void> {
  napper.write(`${command}\n`)
  const { error } = await napper.take(command)
  if (error !== 0) throw new Error(`${command}: errno ${error}`)
}

/** Makes turns until both directions are redirected. Returns their number. */
async function join(agent: AgentProcess, napper: Child<Obeyed>): Promise<number> {
  let turns = 0
  await until('it joins', async () => {
    await ask(napper, 'turn')
    turns += 1
    return (await agent.flows()).some(({ directions }) =>
      directions.every(({ path }) => path === 'redirect'),
    )
  })
  return turns
}

const sum = (samples: readonly Sample[], name: string, labels: Sample['labels'] = {}): number =>
  samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([key, of]) => sample.labels[key] === of))
    .reduce((total, { value }) => total + value, 0)

void test('a reader that lets bytes wait is named, on both paths', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent()
  await using napper = mesh.pod(0).run<Obeyed>('napper')
  await ask(napper, 'turn')

  const end = new AbortController()
  const { events, first } = await trace(agent, 500, end.signal)
  await ask(napper, 'nap')
  // The duration counts from the end of the send. Most of the nap may be over by then.
  const named = {
    kind: 'slow-read',
    durationUs: BigInt,
    pod: 'shop/pod-1',
    process: 'napper',
    pid: Number,
    role: 'server',
    local: /^127\.0\.0\.1:\d+$/,
    remote: /^127\.0\.0\.1:\d+$/,
  }
  const plain = (await first).value
  t.match(plain, { ...named, path: 'tcp' })

  await join(agent, napper)
  await ask(napper, 'nap')
  let redirected = await events.next()
  while (!redirected.done && redirected.value.kind !== 'slow-read') redirected = await events.next()
  t.match(redirected.value, { ...named, path: 'redirect', peer: 'shop/pod-1' })

  const last = events.next()
  end.abort()
  t.strictSame(await last, { value: undefined, done: true }, 'it ends without an error')
})

void test('a reader that sleeps for a second is named before it has slept for another one', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent()
  await using napper = mesh.pod(0).run<Obeyed>('napper')
  await ask(napper, 'turn')
  const end = new AbortController()
  t.teardown(() => end.abort())
  let said = ''
  let lines: string[] = []
  const tracing = runCommand(['trace', '--slow-read', '500', '--socket', mesh.socket], {
    signal: end.signal,
    onStdout: (text) => lines.push(...text.split('\n').filter((line) => / slow-read /.test(line))),
    onStderr: (text) => (said += text),
  })
  await until('it traces', () => said.includes('tracing'))
  for (const path of ['by TCP', 'redirected'] as const) {
    if (path === 'redirected') await join(agent, napper)
    lines = []
    const sentMs = Date.now()
    await ask(napper, 'nap')
    let awake = false
    const again = ask(napper, 'nap').then(() => (awake = true))
    await until('it is named', () => awake || lines.length > 0, { pauseMs: 1, attempts: 1e6 })
    const tookMs = Date.now() - sentMs
    t.match(lines, [new RegExp(` shop/pod-1 +napper\\[\\d+\\] .* \\d.* unread, ${path}$`)], path)
    t.notOk(awake, 'in its second nap')
    t.comment(`${path}: printed ${tookMs} ms after the bytes were sent`)
    await again
    await until('both naps are told', () => lines.length === 2)
  }
  end.abort()
  t.match(await tracing, { code: 0 })
})

void test('a fallback is told with its reason', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent()
  await using napper = mesh.pod(0).run<Obeyed>('napper')
  const end = new AbortController()
  const { events, first } = await trace(agent, 0, end.signal)
  await join(agent, napper)
  mesh.enable(mesh.pod(0), false)
  await until('it takes TCP', async () => {
    await ask(napper, 'turn')
    return (await agent.flows()).every(({ directions }) =>
      directions.every(({ path }) => path === 'tcp'),
    )
  })
  // The next send reports it: the connection may have left since the last one.
  await ask(napper, 'turn')
  t.match((await first).value, { kind: 'fallback', process: 'napper', path: 'tcp', reason: String })
  end.abort()
  await events.next()
})

void test('refused sockets are told, and counted where they are too many', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  const options = { address: mesh.pod(1).address, mode: 'waitall' }
  await using _ = await Traffic.start(mesh.pod(1), 'server', options)
  const end = new AbortController()
  const { events, first } = await trace(agent, 0, end.signal)
  let told = 0
  let dropped = 0
  const listening = (async () => {
    for (let { value } = await first; value; { value } = await events.next()) {
      const event: TraceEventView = value
      t.match(event, { kind: 'refused', reason: 'waitall', process: 'stress' })
      told += 1
      dropped += Number(event.dropped)
    }
  })()
  /** Both ends of each connection. */
  let refused = 0
  const connect = async (connections: number): Promise<void> => {
    await using client = await Traffic.start(mesh.pod(0), 'client', { ...options, connections })
    await until('each has read', async () => (await client.progress()).slowest > 0)
    refused += 2 * connections
  }
  await connect(100)
  // Dropped events are reported with the next one that fits.
  await until('all are accounted for', async () => {
    if (told + dropped === refused) return true
    await connect(1)
    return told + dropped === refused
  })
  t.ok(told >= 100)
  t.comment(`${told} told, ${dropped} counted`)
  end.abort()
  await listening
})

void test('what is measured agrees with what was sent', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const everything = ['--measure', 'pods', '--measure-one-in', '1']
  const agent = await mesh.startAgent(...everything, '--metrics', '127.0.0.1:0')
  await using napper = mesh.pod(0).run<Obeyed>('napper')
  let turns = await join(agent, napper)
  for (; turns < 200; turns += 1) await ask(napper, 'turn')

  const samples = await metricsOf(agent)
  t.equal(sum(samples, 'meshaccel_message_bytes_sum'), 2 * turns * MESSAGE)
  t.equal(sum(samples, 'meshaccel_message_bytes_count'), 2 * turns)
  // Each message has 100 bytes: buckets are counted up.
  t.equal(sum(samples, 'meshaccel_message_bytes_bucket', { le: '64' }), 0)
  t.equal(sum(samples, 'meshaccel_message_bytes_bucket', { le: '128' }), 2 * turns)
  t.equal(sum(samples, 'meshaccel_request_seconds_count'), turns)
  const { totals } = await agent.status()
  for (const [path, messages] of [
    ['redirect', Number(totals.redirectedMessages)],
    ['tcp', 2 * turns - Number(totals.redirectedMessages)],
  ] as const) {
    t.equal(sum(samples, 'meshaccel_message_bytes_count', { path }), messages, path)
    // Each is read before the next one arrives, so each is the oldest unread one.
    t.equal(sum(samples, 'meshaccel_read_delay_seconds_count', { path }), messages, path)
  }
  t.ok(Number(totals.redirectedMessages) > 0)
  const ofRequests = samples.filter(({ name }) => name === 'meshaccel_request_seconds_count')
  const [here, pod] = ['shop', 'pod-1']
  t.match(
    ofRequests.map(({ labels }) => labels),
    ofRequests.map(() => ({
      source_namespace: here,
      source_pod: pod,
      destination_namespace: here,
      destination_pod: pod,
    })),
    'both ends are known from the first request on, long before they are paired',
  )
  t.strictSame(
    ofRequests.map(({ labels }) => labels['path']),
    ['tcp', 'redirect'],
  )
})

void test('a sample of the slices of time estimates the whole', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent(
    '--measure=pods',
    `--measure-one-in=${ONE_IN}`,
    '--metrics=127.0.0.1:0',
  )
  await using napper = mesh.pod(0).run<Obeyed>('napper')
  let turns = await join(agent, napper)
  const estimated = async (name: string): Promise<number> => sum(await metricsOf(agent), name)
  // A slice takes 4 to 40 ms. Whether it is measured looks like chance, so a few slices prove nothing.
  const enough = performance.now() + SLICES * 40
  for (; turns < 1000 || performance.now() < enough; turns += 1) await ask(napper, 'turn')

  const requests = await estimated('meshaccel_request_seconds_count')
  t.equal(requests % ONE_IN, 0, `each measured request stands for ${ONE_IN}`)
  t.ok(requests > turns / 3 && requests < turns * 3, `${requests} estimated of ${turns}`)
  const messages = await estimated('meshaccel_message_bytes_count')
  t.ok(messages > turns && messages < turns * 5, `${messages} estimated of ${2 * turns}`)
  t.equal(await estimated('meshaccel_message_bytes_sum'), messages * MESSAGE)
  const read = await estimated('meshaccel_read_delay_seconds_count')
  t.ok(read > 0.9 * messages && read <= messages, `${read} of ${messages} were read`)
  const seconds = await estimated('meshaccel_request_seconds_sum')
  t.ok(seconds < requests, 'no request took a second')
})

/** Begins to trace; resolves once the agent listens. */
async function trace(
  agent: AgentProcess,
  slowReadMs: number,
  signal: AbortSignal,
): Promise<{
  events: AsyncGenerator<TraceEventView>
  first: Promise<IteratorResult<TraceEventView>>
}> {
  return new Promise((resolve) => {
    const events = agent.client.trace({ slowReadMs }, signal, () => resolve({ events, first }))
    const first = events.next()
  })
}
