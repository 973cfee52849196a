import { test } from 'tap'
import { Trials, type TrialsOptions } from '../../../../src/agent/trial/trials.ts'
import type { TrialEventView } from '../../../../src/api/views.ts'
import { createLog } from '../../../../src/lib/log.ts'
import type { SeenPod } from '../../../../src/reconcile/desired.ts'

const request = { namespace: 'shop', windowMs: 1000, settleMs: 200, pairs: 6, seed: 1 }
const enrolled: SeenPod = {
  namespace: 'shop',
  name: 'cart',
  enrolled: true,
  netnsCookie: 7n,
  ips: [],
}
const refused: SeenPod = {
  namespace: 'shop',
  name: 'batch',
  enrolled: false,
  reason: 'disabled',
  ips: [],
}

/** Everything around a trial, and what the trial does to it. */
function around(
  changed: Partial<TrialsOptions> = {},
  seen: readonly SeenPod[] = [enrolled, refused],
) {
  const overrides: string[] = []
  const counted: (readonly bigint[])[] = []
  const told: string[] = []
  const waits: number[] = []
  const trials = new Trials({
    datapath: { policy: 'full', redirecting: true, trial: () => [] },
    reconciler: {
      seen,
      applied: new Map([[7n, { netnsCookie: 7n, netnsPath: '/run/netns/7', proxyUid: 1337 }]]),
      override: async (_owner, change) => {
        const form = change?.({ namespace: 'shop', name: 'cart' })
        overrides.push(form ? (form.exclusions ? 'off' : 'on') : 'none')
      },
    },
    observer: { measuring: 'off', countTrial: (cookies) => void counted.push(cookies) },
    held: () => [],
    countCpu: () => () => ({ totalUs: 5, pods: [{ pod: 'shop/cart', cpuUs: 5 }] }),
    tell: (reason) => void told.push(reason),
    log: createLog('silent'),
    wait: async (ms) => void waits.push(ms),
    ...changed,
  })
  return { trials, overrides, counted, told, waits }
}

async function all(events: AsyncIterable<TrialEventView>): Promise<TrialEventView[]> {
  const found: TrialEventView[] = []
  for await (const event of events) found.push(event)
  return found
}

void test('a trial switches for each window, and puts everything back', async (t) => {
  const { trials, overrides, counted, told, waits } = around()
  const [first, ...windows] = await all(trials.run(request, new AbortController().signal))
  t.strictSame(first, {
    begun: {
      pods: ['shop/cart'],
      leftOut: [{ pod: 'shop/batch', reason: 'disabled' }],
      measuring: 'off',
    },
  })
  t.equal(windows.length, 12)
  t.strictSame(overrides, [
    'on',
    ...windows.map(({ window }) => (window?.on ? 'on' : 'off')),
    'none',
  ])
  t.match(windows[0], { window: { pair: 1, cpuUs: 5n, cpu: [{ pod: 'shop/cart', cpuUs: 5n }] } })
  t.strictSame(
    waits,
    windows.flatMap(() => [200, 800]),
  )
  t.strictSame([counted[0], counted.at(-1)], [[7n], []])
  t.strictSame(told, ['TrialRuns'])
  t.equal(trials.running, undefined)
})

void test('a second trial has to wait', async (t) => {
  const { trials, overrides } = around()
  const { signal } = new AbortController()
  const events = trials.run(request, signal)
  await events.next()
  t.match(trials.running, { namespace: 'shop' })
  await t.rejects(all(trials.run({ ...request, namespace: 'bank' }, signal)), {
    code: 'TRIAL_RUNS',
  })
  t.match(trials.running, { namespace: 'shop' }, 'the first one goes on')
  await events.return(undefined)
  t.equal(overrides.at(-1), 'none')
})

void test('the signal ends it within a window, and everything is put back', async (t) => {
  const stop = new AbortController()
  let waits = 0
  const { trials, overrides, counted } = around({
    wait: async () => {
      waits += 1
      if (waits === 4) stop.abort()
    },
  })
  const events = await all(trials.run(request, stop.signal))
  t.equal(events.length, 2, 'the beginning and one window')
  t.equal(overrides.at(-1), 'none')
  t.strictSame(counted.at(-1), [])
})

void test('it is put back if the kernel refuses to measure', async (t) => {
  const { trials, overrides } = around({
    observer: {
      measuring: 'off',
      countTrial: (cookies) => {
        if (cookies.length > 0) throw new Error('no such tracepoint')
      },
    },
  })
  await t.rejects(all(trials.run(request, new AbortController().signal)), /tracepoint/)
  t.strictSame(overrides, ['on', 'none'])
  t.equal(trials.running, undefined)
})

void test('without pods or acceleration nothing is switched', async (t) => {
  const { signal } = new AbortController()
  const off = around({ datapath: { policy: 'full', redirecting: false, trial: () => [] } })
  await t.rejects(all(off.trials.run(request, signal)), { code: 'NOT_ACCELERATING' })
  const elsewhere = around()
  await t.rejects(all(elsewhere.trials.run({ ...request, namespace: 'bank' }, signal)), {
    code: 'NO_PODS',
  })
  t.strictSame([...off.overrides, ...elsewhere.overrides], [])
  const disabled = around({}, [refused])
  await t.rejects(all(disabled.trials.run(request, signal)), {
    code: 'NO_PODS',
    message: /disabled/,
  })
  t.strictSame(disabled.overrides, ['on', 'none'])
  const captured = around({ held: () => ['bank/till', 'shop/cart'] })
  await t.rejects(all(captured.trials.run(request, signal)), {
    code: 'POD_HELD',
    message: /shop\/cart/,
  })
  t.strictSame(captured.overrides, [])
})
