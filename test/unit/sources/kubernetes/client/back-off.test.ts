import { test } from 'tap'
import { BackOff } from '../../../../../src/sources/kubernetes/client/back-off.ts'

const waits = (backOff: BackOff, count: number): number[] =>
  Array.from({ length: count }, () => backOff.next())

void test('waits twice as long each time, up to the longest, and from the start again', async (t) => {
  const backOff = new BackOff(100, 1_000, () => 1)
  t.strictSame(waits(backOff, 6), [100, 200, 400, 800, 1_000, 1_000])
  backOff.reset()
  t.strictSame(waits(backOff, 2), [100, 200])
})

void test('half of each wait is chance, so that agents do not come as one', async (t) => {
  t.strictSame(waits(new BackOff(100, 1_000, () => 0), 5), [50, 100, 200, 400, 500])
  const random = waits(new BackOff(1_000, 1_000), 100)
  t.ok(random.every((ms) => ms >= 500 && ms <= 1_000))
  t.ok(new Set(random).size > 50, 'by chance')
})
