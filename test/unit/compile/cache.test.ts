import { test } from 'tap'
import { Cache } from '../../../src/compile/cache.ts'

void test('a cache has three bounds', async (t) => {
  let nowMs = 0
  const cache = new Cache<string>({ entries: 3, bytes: 100, ageMs: 1_000 }, () => nowMs)
  cache.set('a', 'A', 10)
  cache.set('b', 'B', 10)
  cache.set('c', 'C', 10)
  t.equal(cache.get('a'), 'A')
  cache.set('d', 'D', 10)
  t.equal(cache.get('b'), undefined, 'the one that was used longest ago is forgotten')
  t.equal(cache.size, 3)

  cache.set('e', 'E', 85)
  t.same([cache.size, cache.bytes], [2, 95], 'bytes are bounded')
  cache.set('f', 'F', 101)
  t.equal(cache.get('f'), undefined, 'what is too large is not kept')
  cache.set('e', 'e', 20)
  t.same([cache.get('e'), cache.bytes], ['e', 30], 'a new value replaces the old one')

  nowMs = 1_000
  t.equal(cache.get('e'), 'e')
  nowMs = 1_001
  t.equal(cache.get('e'), undefined, 'a use does not make it younger')
  t.same([cache.size, cache.bytes], [1, 10])
})
