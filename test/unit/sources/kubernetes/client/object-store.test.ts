import { deepStrictEqual } from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import {
  isOlder,
  ObjectStore,
  type WatchEventType,
} from '../../../../../src/sources/kubernetes/client/object-store.ts'
import type { KubeObject } from '../../../../../src/sources/kubernetes/pod-facts.ts'

const object = (name: string, version: number, kept: number): KubeObject => ({
  metadata: { name, resourceVersion: String(version), uid: kept === 0 ? '' : String(kept) },
})
/** Keeps the uid. Keeps no object without one. */
const store = (): ObjectStore<string> =>
  new ObjectStore(({ metadata }) => metadata?.uid || undefined)
const objects = (): ObjectStore<{ uid: string }> =>
  new ObjectStore(({ metadata }) => ({ uid: metadata?.uid ?? '' }))
const contents = (of: ObjectStore<string>): Map<string, string> => new Map(of.entries())

interface Event {
  readonly type: WatchEventType
  readonly object: KubeObject
}

/** A history of changes by object. 0 is an object that is not kept, or is deleted. */
const history = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: -1, max: 3 })), {
    maxLength: 30,
  })
  .map((steps) =>
    steps.map(([name, kept], index): Event => ({
      type: kept < 0 ? 'DELETED' : 'MODIFIED',
      // Versions with one digit and with two: they compare as numbers, not as texts.
      object: object(name, index + 5, Math.max(kept, 0)),
    })),
  )
const shuffled = history.chain((events) =>
  fc.tuple(fc.constant(events), fc.shuffledSubarray(events, { minLength: events.length })),
)

function replayed(events: readonly Event[]): ObjectStore<string> {
  const into = store()
  for (const { type, object: changed } of events) into.apply(type, changed)
  return into
}

/** The content of a list at the end. */
function listed(events: readonly Event[]): ObjectStore<string> {
  const last = new Map(events.map((event) => [event.object.metadata?.name, event]))
  return replayed([...last.values()].filter(({ type }) => type !== 'DELETED'))
}

void test('events in any order, some of them twice, lead to what a list shows', async () => {
  fc.assert(
    fc.property(shuffled, ([events, order]) => {
      deepStrictEqual(contents(replayed(order)), contents(listed(events)))
      deepStrictEqual(contents(replayed([...order, ...events])), contents(listed(events)))
    }),
  )
})

void test('a list takes the place of whatever was there, and late events do not undo it', async () => {
  fc.assert(
    fc.property(history, fc.nat(), (events, cut) => {
      const early = events.slice(0, cut % (events.length + 1))
      const changing = replayed(early)
      const before = contents(changing)
      const changed = changing.replace(listed(events))
      deepStrictEqual(contents(changing), contents(listed(events)))
      let differs = true
      try {
        deepStrictEqual(contents(changing), before)
        differs = false
      } catch {
        // The two differ.
      }
      deepStrictEqual(changed, differs)
    }),
  )
})

void test('tells whether anything that is kept has changed', async (t) => {
  const of = store()
  t.equal(of.apply('ADDED', object('a', 1, 7)), true)
  t.equal(of.apply('MODIFIED', object('a', 2, 7)), false)
  t.equal(of.apply('MODIFIED', object('a', 3, 8)), true)
  t.equal(of.apply('MODIFIED', object('a', 2, 9)), false, 'late')
  t.equal(of.get('/a'), '8')
  t.equal(of.apply('MODIFIED', object('a', 4, 0)), true, 'says nothing any more')
  t.equal(of.apply('DELETED', object('a', 5, 0)), false)
  t.equal(of.apply('DELETED', object('b', 6, 1)), false, 'was never there')
})

void test('compares versions as numbers, and not at all what is none', async (t) => {
  t.equal(isOlder('9', '10'), true)
  t.equal(isOlder('10', '9'), false)
  t.equal(isOlder('10', '10'), false)
  t.equal(isOlder('123456789012345678901', '123456789012345678902'), true)
  t.equal(isOlder('', '10'), false)
  t.equal(isOlder('abc', 'abd'), false)
})

void test('what stays the same stays the same object', async (t) => {
  const watched = objects()
  watched.apply('ADDED', object('a', 5, 1))
  watched.apply('ADDED', object('b', 6, 1))
  const [a, b] = [watched.get('/a'), watched.get('/b')]
  t.notOk(watched.apply('MODIFIED', object('a', 7, 1)))
  t.equal(watched.get('/a'), a)

  const list = objects()
  list.apply('ADDED', object('a', 8, 1))
  list.apply('ADDED', object('b', 9, 2))
  t.ok(watched.replace(list))
  t.equal(watched.get('/a'), a)
  t.not(watched.get('/b'), b)
  t.notOk(watched.apply('MODIFIED', object('a', 7, 3)), 'the list is newer')
})
