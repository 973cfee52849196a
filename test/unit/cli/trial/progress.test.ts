import { test } from 'tap'
import type { TrialWindowView } from '../../../../src/api/views.ts'
import { describeWindow, progressOf } from '../../../../src/cli/trial/progress.ts'

const plan = { namespace: 'shop', pairs: 10, windowMs: 20_000 }

/** The windows of so many pairs. Acceleration halves the latency. */
function windowsOf(pairs: number): TrialWindowView[] {
  return Array.from({ length: 2 * pairs }, (_, index): TrialWindowView => {
    const on = index % 2 === 0
    const us = (on ? 100 : 200) * (1 + (index % 3) / 20)
    const programs = { count: 1000n, p50Us: us, p90Us: 2 * us, p99Us: 3 * us }
    return {
      pair: Math.floor(index / 2),
      on,
      startMs: BigInt(index * 20_000),
      durationMs: 17_000n,
      programs,
      proxies: { ...programs, count: 3000n },
      redirectedBytes: 1n,
      tcpBytes: 1n,
      cpu: [],
    }
  })
}

void test('a window that has ended has a plain line', async (t) => {
  const [, second] = windowsOf(1)
  if (!second) throw new Error('no window')
  t.equal(describeWindow(second, 2, plan), 'window 2 of 20, by TCP: 4000 requests; 6m left')
})

void test('the first windows show requests, later ones the ratio', async (t) => {
  t.same(progressOf([], plan), { what: 'window 1 of 20', share: 0, leftMs: 400_000 })
  t.same(progressOf(windowsOf(2), plan), {
    what: 'window 5 of 20',
    share: 0.2,
    leftMs: 320_000,
    figures: '4000 requests in the last window',
  })
  t.match(progressOf(windowsOf(7), plan), {
    share: 0.7,
    figures: /^p50 0\.\d\d \(0\.4\d-0\.5\d\) of that by TCP$/,
  })
})
