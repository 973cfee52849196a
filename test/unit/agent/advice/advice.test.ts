import { test } from 'tap'
import { Advice, type AdviceOptions } from '../../../../src/agent/advice/advice.ts'
import type { AdviceEventView } from '../../../../src/api/views.ts'
import { createLog } from '../../../../src/lib/log.ts'
import type { Candidate } from '../../../../src/reconcile/watch.ts'
import { FakeDatapath } from '../../../helpers/fake-datapath.ts'
import { flowBetween } from '../../../helpers/flows.ts'

const request = { namespaces: [], forMs: 10_000 }
const quiet = (): AbortSignal => new AbortController().signal

function candidate(namespace: string, number: bigint, changed: Partial<Candidate> = {}): Candidate {
  return {
    pod: `${namespace}/pod-${number}`,
    namespace,
    netnsCookie: number,
    netnsPath: `/run/netns/${number}`,
    isRefused: false,
    hasRules: false,
    ...changed,
  }
}

const unmeshed: Candidate = {
  pod: 'shop/db',
  namespace: 'shop',
  reason: 'no-mesh',
  isRefused: false,
  hasRules: false,
}

/** Everything around advice, with a clock that waits move on. `lookMs` is what each look takes. */
function around(
  candidates: readonly Candidate[],
  { lookMs = 0, ...changed }: Partial<AdviceOptions> & { lookMs?: number } = {},
) {
  const watched: string[][] = []
  const waits: number[] = []
  const datapath = new FakeDatapath()
  datapath.flowTable = [flowBetween(1n, 2n, { reason: 'excluded', tcpBytes: 10n }, 1)]
  let nowMs = 0
  let opened = 0
  const unwatched = async (): Promise<[]> => {
    nowMs += lookMs
    return []
  }
  const advice = new Advice({
    datapath: Object.assign(datapath, { unwatched }),
    reconciler: {
      seen: [
        { namespace: 'shop', name: 'db', enrolled: false, reason: 'no-mesh', ips: ['10.0.0.9'] },
      ],
      candidates: () => [...candidates],
      watch: async (pods) => void watched.push([...pods]),
    },
    countSockets: (path) => {
      if (path === '/run/netns/404') throw new Error('it is gone')
      opened += 1
      return { established: path === '/run/netns/99' ? 19_999 : 2, opened }
    },
    log: createLog('silent'),
    cpuUs: () => nowMs * 10,
    now: () => nowMs,
    wait: async (ms) => {
      waits.push(ms)
      nowMs += ms
    },
    ...changed,
  })
  return { advice, watched, waits, datapath }
}

async function all(events: AsyncIterable<AdviceEventView>): Promise<AdviceEventView[]> {
  const found: AdviceEventView[] = []
  for await (const event of events) found.push(event)
  return found
}

void test('it watches what could be enrolled, reports after each look, and stops watching', async (t) => {
  const pods = [candidate('shop', 1n), candidate('bank', 2n, { hasRules: true }), unmeshed]
  const { advice, watched, waits } = around(pods)
  const [first, ...reports] = await all(advice.run(request, quiet()))
  t.strictSame(first, {
    begun: {
      pods: ['shop/pod-1', 'bank/pod-2'],
      sockets: 4,
      leftOut: [{ pod: 'shop/db', reason: 'no-mesh' }],
      withRules: ['bank/pod-2'],
    },
  })
  t.strictSame(watched, [['shop/pod-1', 'bank/pod-2'], []])
  t.strictSame(
    waits,
    Array.from({ length: 10 }, () => 1_000),
  )
  t.equal(reports.length, 10)
  t.match(reports.at(-1)?.report, {
    elapsedMs: 10_000,
    cost: { looks: 10, pauseMs: 1_000, uncounted: 0 },
    namespaces: [
      { namespace: 'shop', pods: 1, wouldJoin: { connections: 1 } },
      { namespace: 'bank', pods: 1, wouldJoin: { connections: 1 } },
    ],
  })
  t.ok((reports.at(-1)?.report?.namespaces[0]?.opened ?? 0n) > 0n)
  t.equal(advice.running, undefined)
})

void test('pods that are disabled by name take part if their namespace is named', async (t) => {
  const pods = [candidate('shop', 1n), candidate('bank', 2n, { isRefused: true })]
  const { advice } = around(pods)
  const [all1] = await all(advice.run(request, quiet()))
  t.match(all1?.begun, {
    pods: ['shop/pod-1'],
    leftOut: [{ pod: 'bank/pod-2', reason: 'disabled-by-name' }],
  })
  const [named] = await all(advice.run({ ...request, namespaces: ['bank'] }, quiet()))
  t.match(named?.begun, { pods: ['bank/pod-2'], leftOut: [] })
})

void test('too many sockets, and a pod that has just ended', async (t) => {
  const pods = [candidate('shop', 99n), candidate('shop', 1n), candidate('shop', 404n)]
  const { advice } = around(pods)
  const [first] = await all(advice.run(request, quiet()))
  t.match(first?.begun, {
    pods: ['shop/pod-99'],
    sockets: 19_999,
    leftOut: [
      { pod: 'shop/pod-1', reason: 'too-many-sockets' },
      { pod: 'shop/pod-404', reason: 'netns-gone' },
    ],
  })
})

void test('the pauses grow with the looks, and there are at least three', async (t) => {
  const slow = around([candidate('shop', 1n)], { lookMs: 100 })
  const reports = await all(slow.advice.run(request, quiet()))
  t.strictSame(slow.waits, [1_000, 2_000, 2_000, 2_000, 2_000, 500])
  t.match(reports.at(-1)?.report?.cost, {
    looks: 6,
    // By the agent 10 us for each ms, and the walks themselves.
    cpuUs: 606_000n,
    slowestLookUs: 100_000n,
  })
  const short = around([candidate('shop', 1n)])
  await all(short.advice.run({ ...request, forMs: 1 }, quiet()))
  t.strictSame(short.waits, [200, 200, 200])
  const long = around([candidate('shop', 1n)], { lookMs: 1_000 })
  const events = await all(long.advice.run({ ...request, forMs: 2 ** 31 }, quiet()))
  t.ok((events.at(-1)?.report?.elapsedMs ?? Infinity) < 700_000, 'the time is bounded')
})

void test('the signal ends it, and a second one has to wait', async (t) => {
  const stop = new AbortController()
  const { advice, watched } = around([candidate('shop', 1n)], {
    wait: async () => stop.abort(),
  })
  const events = advice.run(request, stop.signal)
  await events.next()
  t.match(advice.running, { namespaces: ['shop'] })
  await t.rejects(all(advice.run(request, quiet())), { code: 'ADVICE_RUNS' })
  t.strictSame(await all(events), [])
  t.strictSame(watched, [['shop/pod-1'], []])
})

void test('a failed look ends it, and nothing is watched afterwards', async (t) => {
  const { advice, watched, datapath } = around([candidate('shop', 1n)])
  datapath.flows = async function* () {
    yield []
    throw new Error('the iterator failed')
  }
  await t.rejects(all(advice.run(request, quiet())), /iterator failed/)
  t.strictSame(watched.at(-1), [])
})

void test('without pods or acceleration nothing is watched', async (t) => {
  const none = around([])
  await t.rejects(all(none.advice.run(request, quiet())), {
    code: 'NO_PODS',
    message: /every pod of this node is enabled/,
  })
  await t.rejects(all(none.advice.run({ ...request, namespaces: ['shop'] }, quiet())), {
    code: 'NO_PODS',
    message: /no pods on this node that are not enabled/,
  })
  const refused = around([unmeshed, candidate('bank', 2n, { isRefused: true })])
  await t.rejects(all(refused.advice.run(request, quiet())), {
    code: 'NO_PODS',
    message: /no pod can be watched: no-mesh, disabled-by-name/,
    hint: /if you name their namespace/,
  })
  const drained = around([candidate('shop', 1n)])
  drained.datapath.redirecting = false
  await t.rejects(all(drained.advice.run(request, quiet())), { code: 'NOT_ACCELERATING' })
  t.strictSame([...none.watched, ...refused.watched, ...drained.watched].flat(), [])
})
