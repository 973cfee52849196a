import { test } from 'tap'
import { BoundedMap } from '../../../src/lib/bounded-map.ts'

void test('forgets what was added first, once there is too much', async (t) => {
  const map = new BoundedMap<string, number>(2)
  map.set('a', 1).set('b', 2)
  t.strictSame(
    [...map],
    [
      ['a', 1],
      ['b', 2],
    ],
  )
  map.set('c', 3)
  t.strictSame(
    [...map],
    [
      ['b', 2],
      ['c', 3],
    ],
  )
})

void test('an entry that is added again is the newest', async (t) => {
  const map = new BoundedMap<string, number>(2)
  map.set('a', 1).set('b', 2).set('a', 3)
  t.strictSame(
    [...map],
    [
      ['b', 2],
      ['a', 3],
    ],
  )
  map.set('c', 4)
  t.strictSame(
    [...map],
    [
      ['a', 3],
      ['c', 4],
    ],
  )
})

void test('undefined is a value like others', async (t) => {
  const map = new BoundedMap<string, undefined>(1)
  t.notOk(map.has('a'))
  t.ok(map.set('a', undefined).has('a'))
})
