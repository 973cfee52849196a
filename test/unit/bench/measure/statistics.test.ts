import { test } from 'tap'
import { median, percentile, shuffled, spread } from '../../../../bench/measure/statistics.ts'

void test('the median of an even number of values lies between the middle two', (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.end()
})

void test('a spread has median, lowest and highest, and none without values', (t) => {
  t.same(spread([1.6, 1.48, 1.52]), { median: 1.52, low: 1.48, high: 1.6 })
  t.equal(spread([]), undefined)
  t.end()
})

void test('percentiles are values that occurred', (t) => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
  t.equal(percentile(hundred, 0.5), 50)
  t.equal(percentile(hundred, 0.99), 99)
  t.equal(percentile(hundred, 0.999), 100)
  t.equal(percentile([7], 0.5), 7)
  t.end()
})

void test('shuffling keeps every item and follows the numbers it is given', (t) => {
  t.same(new Set(shuffled([1, 2, 3, 4])), new Set([1, 2, 3, 4]))
  t.same(
    shuffled(['a', 'b', 'c'], () => 0),
    ['b', 'c', 'a'],
  )
  t.end()
})
