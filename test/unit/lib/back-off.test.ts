import { test } from 'tap'
import { BackOff } from '../../../src/lib/back-off.ts'

const waits = (backOff: BackOff, count: number): number[] =>
  Array.from({ length: count }, () => backOff.next())

const times = { firstMs: 100, longestMs: 1_000 }

void test('waits twice as long each time, up to the longest, and from the start again', async (t) => {
  const backOff = new BackOff(times)
  t.strictSame(waits(backOff, 6), [100, 200, 400, 800, 1_000, 1_000])
  backOff.reset()
  t.strictSame(waits(backOff, 2), [100, 200])
})

void test('a share of each wait is chance, so that agents do not come as one', async (t) => {
  const jitter = 0.5
  t.strictSame(
    waits(new BackOff({ ...times, jitter, random: () => 1 }), 5),
    [100, 200, 400, 800, 1_000],
  )
  t.strictSame(
    waits(new BackOff({ ...times, jitter, random: () => 0 }), 5),
    [50, 100, 200, 400, 500],
  )
  const random = waits(new BackOff({ firstMs: 1_000, longestMs: 1_000, jitter }), 100)
  t.ok(random.every((ms) => ms >= 500 && ms <= 1_000))
  t.ok(new Set(random).size > 50, 'by chance')
})
