import { test } from 'tap'
import { inverse, outcomeOf, ratioInterval } from '../../../../bench/measure/intervals.ts'
import type { Paired } from '../../../../src/lib/paired-ratio.ts'

const pairsOf = (ratios: readonly number[]): Paired[] => ratios.map((on) => ({ on, off: 1 }))
const near = (one = 0, other = 0): boolean => Math.abs(one - other) < 1e-3

void test('a single pair has no interval, and nothing has none at all', async (t) => {
  t.equal(ratioInterval([]), undefined)
  const one = ratioInterval(pairsOf([2]))
  t.match(one, { median: 2, low: 2, high: 2, pairs: 1 })
  t.equal(one && outcomeOf(one), 'not-sure')
})

void test('a few pairs have the interval of Student, a little wider', async (t) => {
  const two = ratioInterval(pairsOf([1.5, 1.6]))
  // Half the difference of the logarithms is the standard error; t is 12.706.
  const half = 1.1 * 12.706 * (Math.log(1.6 / 1.5) / 2)
  t.ok(near(two?.median, Math.sqrt(1.5 * 1.6)))
  t.ok(near(two?.high, (two?.median ?? 0) * Math.exp(half)))
  t.equal(two && outcomeOf(two), 'not-sure')
  const five = ratioInterval(pairsOf([1.5, 1.6, 1.55, 1.5, 1.6]))
  t.equal(five && outcomeOf(five), 'faster')
  t.equal(five?.pairs, 5)
})

void test('six pairs and more have a bootstrap', async (t) => {
  const six = ratioInterval(pairsOf([0.5, 0.52, 0.51, 0.5, 0.53, 0.52]))
  t.match(six, { pairs: 6 })
  t.ok(six && 0.48 < six.low && six.low < six.median && six.median < six.high && six.high < 0.55)
  t.equal(six && outcomeOf(six), 'slower')
})

void test('the other way round, bounds change places', async (t) => {
  t.same(inverse({ median: 2, low: 1.6, high: 2.5, pairs: 9 }), {
    median: 0.5,
    low: 0.4,
    high: 0.625,
    pairs: 9,
  })
})
