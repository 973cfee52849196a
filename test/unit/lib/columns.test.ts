import { test } from 'tap'
import { aligned, columnWidths } from '../../../src/lib/columns.ts'

void test('a column is as wide as its widest cell', async (t) => {
  t.strictSame(columnWidths([]), [])
  t.strictSame(columnWidths([['pod', 'bytes'], ['cart', '7'], ['a']]), [4, 5])
  t.strictSame(columnWidths([['a'], ['b', '12']]), [1, 2])
})

void test('text begins, and numbers end, at the edge of their column', async (t) => {
  t.equal(aligned('ab', 4), 'ab  ')
  t.equal(aligned('12', 4, true), '  12')
  t.equal(aligned('longer', 4), 'longer')
})
