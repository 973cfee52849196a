import { test } from 'tap'
import { MeshaccelError } from '../../../src/lib/errors.ts'
import type { ObservedPod } from '../../../src/pods/observed-pod.ts'
import { NetnsCache } from '../../../src/reconcile/netns-cache.ts'

/** A cache over namespaces that are a number each, by path. */
function caching(): {
  cache: NetnsCache
  namespaces: Map<string, number>
  entered: string[]
  cookies: (...names: string[]) => (bigint | string | undefined)[]
} {
  const namespaces = new Map<string, number>()
  const entered: string[] = []
  const at = (path: string): number => {
    const number = namespaces.get(path)
    if (number !== undefined) return number
    throw new MeshaccelError('it is gone', { code: 'NETNS_GONE', operation: 'look' })
  }
  const cache = new NetnsCache({
    identify: (ref) => ('path' in ref ? String(at(ref.path)) : ''),
    resolve: (ref) => {
      const path = 'path' in ref ? ref.path : ''
      entered.push(path)
      return { netnsCookie: BigInt(at(path)), netnsPath: path, ips: [] }
    },
  })
  const cookies = (...names: string[]): (bigint | string | undefined)[] =>
    names.map((name) => {
      const found = cache.get(`a/${name}`)
      return found && 'reason' in found ? found.reason : found?.netnsCookie
    })
  return { cache, namespaces, entered, cookies }
}

const pod = (name: string, path = `/n/${name}`): ObservedPod => ({
  namespace: 'a',
  name,
  netns: { path },
})

void test('enters what is new and what has changed, and nothing else', async (t) => {
  const { cache, namespaces, entered, cookies } = caching()
  namespaces.set('/n/one', 1).set('/n/two', 2).set('/n/other', 3)
  cache.update([pod('one'), pod('two')], true)
  t.strictSame(entered.splice(0), ['/n/one', '/n/two'])
  cache.update([pod('one'), pod('two')], false)
  cache.update([pod('one'), pod('two')], true)
  t.strictSame(entered.splice(0), [])
  cache.update([pod('one', '/n/other'), pod('two')], false)
  t.strictSame(entered.splice(0), ['/n/other'])
  t.strictSame(cookies('one', 'two'), [3n, 2n])
})

void test('a namespace that takes the place of another is seen at the next look', async (t) => {
  const { cache, namespaces, entered, cookies } = caching()
  namespaces.set('/n/one', 1)
  cache.update([pod('one')], true)
  namespaces.set('/n/one', 9)
  cache.update([pod('one')], false)
  t.strictSame(cookies('one'), [1n])
  cache.update([pod('one')], true)
  t.strictSame(cookies('one'), [9n])
  t.equal(entered.length, 2)
})

void test('what failed is tried at each look, and says why', async (t) => {
  const { cache, namespaces, cookies } = caching()
  cache.update([pod('one'), { namespace: 'a', name: 'unknown' }], true)
  t.strictSame(cookies('one', 'unknown'), ['netns-gone', undefined])
  t.match([...cache.errors()], [['a/one', { code: 'NETNS_GONE' }]])
  namespaces.set('/n/one', 1)
  cache.update([pod('one')], false)
  t.strictSame(cookies('one'), ['netns-gone'])
  cache.update([pod('one')], true)
  t.strictSame(cookies('one'), [1n])
  t.strictSame([...cache.errors()], [])
  namespaces.delete('/n/one')
  cache.update([pod('one')], true)
  t.strictSame(cookies('one'), ['netns-gone'])
})

void test('a namespace that could not be entered is tried again, though it is the same', async (t) => {
  let isForbidden = true
  const cache = new NetnsCache({
    identify: () => 'same',
    resolve: () => {
      if (!isForbidden) return { netnsCookie: 1n, netnsPath: '/n/one', ips: [] }
      throw new MeshaccelError('denied', { code: 'NETNS_FORBIDDEN', operation: 'enter' })
    },
  })
  cache.update([pod('one')], true)
  t.strictSame(cache.get('a/one'), { reason: 'netns-forbidden' })
  isForbidden = false
  cache.update([pod('one')], true)
  t.match(cache.get('a/one'), { netnsCookie: 1n })
})

void test('each is asked anew now and then, not all at once', async (t) => {
  const { cache, namespaces, entered } = caching()
  const pods = Array.from({ length: 60 }, (_, number) => pod(String(number)))
  for (const [number, { name }] of pods.entries()) namespaces.set(`/n/${name}`, number)
  cache.update(pods, true)
  entered.length = 0
  const perLook = Array.from({ length: 30 }, () => {
    const before = entered.length
    cache.update(pods, true)
    return entered.length - before
  })
  t.strictSame(new Set(perLook), new Set([2]))
  t.equal(new Set(entered).size, 60)
})

void test('where the source knows the addresses they are not asked for', async (t) => {
  const wanted: boolean[] = []
  const cache = new NetnsCache({
    identify: () => 'same',
    resolve: (_, wantsIps) => {
      wanted.push(wantsIps)
      return { netnsCookie: 1n, netnsPath: '/n/one', ips: [] }
    },
  })
  const told = { ...pod('told'), ips: ['10.0.0.1'] }
  for (let look = 0; look < 31; look++) cache.update([told, pod('untold')], true)
  t.strictSame(wanted, [false, true, true], 'one is asked anew')
})
