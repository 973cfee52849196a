import { test, type Test } from 'tap'
import { MeshaccelError } from '../../../src/lib/errors.ts'
import { createLog } from '../../../src/lib/log.ts'
import type { NetnsRef, ObservedPod } from '../../../src/pods/observed-pod.ts'
import { Reconciler } from '../../../src/reconcile/reconciler.ts'
import { FakeDatapath } from '../../helpers/fake-datapath.ts'

/** A reconciler over fakes. The test fires its timer. */
function reconciling(t: Test): {
  datapath: FakeDatapath
  reconciler: Reconciler
  cookies: Map<string, bigint>
  delays: number[]
  elapse: () => Promise<void>
  lines: string[]
  /** Paths that were entered, in order. */
  resolved: string[]
  /** Paths that were identified. */
  looks: string[]
} {
  const datapath = new FakeDatapath()
  const cookies = new Map<string, bigint>()
  const lines: string[] = []
  const delays: number[] = []
  const resolved: string[] = []
  const looks: string[] = []
  const netnsCookieOf = (ref: NetnsRef): bigint | undefined =>
    cookies.get('path' in ref ? ref.path : '')
  let due: (() => void) | undefined
  const reconciler = new Reconciler({
    datapath,
    defaultEnabled: true,
    log: createLog('debug', { write: (line) => lines.push(line) }),
    netns: {
      identify: (ref) => {
        looks.push('path' in ref ? ref.path : '')
        return `${netnsCookieOf(ref)}`
      },
      resolve: (ref) => {
        resolved.push('path' in ref ? ref.path : '')
        const netnsCookie = netnsCookieOf(ref)
        if (netnsCookie !== undefined)
          return { netnsCookie, netnsPath: resolved.at(-1) ?? '', ips: [] }
        throw new MeshaccelError('it is gone', { code: 'NETNS_GONE', operation: 'open' })
      },
    },
    timer: (delayMs, run) => {
      delays.push(delayMs)
      due = run
      return { [Symbol.dispose]: () => (due = undefined) }
    },
  })
  t.teardown(() => reconciler[Symbol.dispose]())
  const elapse = (): Promise<void> => {
    due?.()
    // The run comes in the next tick; a second immediate runs after it.
    return new Promise((resolve) => setImmediate(resolve))
  }
  return { datapath, reconciler, cookies, delays, elapse, lines, resolved, looks }
}

const pod = (name: string): ObservedPod => ({
  namespace: 'a',
  name,
  netns: { path: `/n/${name}` },
  mesh: 'istio',
})

void test('a namespace that comes later is found at the next look', async (t) => {
  const { reconciler, datapath, cookies, elapse, lines } = reconciling(t)
  await reconciler.update([pod('one')])
  t.match(reconciler.seen, [{ enrolled: false, reason: 'netns-gone' }])
  await elapse()
  t.equal(lines.filter((line) => line.includes('netns-gone')).length, 1, 'is said once')
  cookies.set('/n/one', 1n)
  await elapse()
  t.match(reconciler.seen, [{ enrolled: true, netnsCookie: 1n }])
  t.strictSame(datapath.calls, ['enrol 1'])
})

void test('a namespace that is replaced under its path is enrolled anew', async (t) => {
  const { reconciler, datapath, cookies, elapse } = reconciling(t)
  cookies.set('/n/one', 1n)
  await reconciler.update([pod('one')])
  cookies.set('/n/one', 2n)
  await elapse()
  t.strictSame(datapath.calls, ['enrol 1', 'withdraw 1', 'enrol 2'])
  await elapse()
  t.equal(datapath.calls.length, 3, 'nothing more to do')
})

void test('runs that follow each other look at what is new only', async (t) => {
  const { reconciler, cookies, resolved, looks, elapse } = reconciling(t)
  cookies.set('/n/one', 1n).set('/n/two', 2n)
  await reconciler.update([pod('one')])
  await reconciler.update([pod('one'), pod('two')])
  await reconciler.update([pod('one'), pod('two')])
  t.strictSame(looks, ['/n/one', '/n/two'])
  await elapse()
  t.strictSame(looks.slice(2), ['/n/one', '/n/two'])
  t.strictSame(resolved, ['/n/one', '/n/two'])
})

void test('what fails is tried again, later each time, and keeps nothing else', async (t) => {
  const { reconciler, datapath, cookies, delays, elapse } = reconciling(t)
  cookies.set('/n/one', 1n).set('/n/two', 2n)
  datapath.broken.add(1n)
  await reconciler.update([pod('one'), pod('two')])
  t.match(reconciler.seen, [{ enrolled: false, reason: 'enrol-failed' }, { enrolled: true }])
  await elapse()
  await elapse()
  t.strictSame(delays, [100, 200, 400])
  datapath.broken.clear()
  await elapse()
  t.match(reconciler.seen, [{ enrolled: true }, { enrolled: true }])
  t.strictSame(datapath.calls, ['enrol 1', 'enrol 2', 'enrol 1', 'enrol 1', 'enrol 1'])
  t.equal(delays.at(-1), 2_000, 'back to the slow look')
  datapath.broken.add(2n)
  await reconciler.update([pod('one')])
  t.equal(delays.at(-1), 100, 'the back-off starts again')
})

void test('back-off has an end', async (t) => {
  const { reconciler, datapath, cookies, delays, elapse } = reconciling(t)
  cookies.set('/n/one', 1n)
  datapath.broken.add(1n)
  await reconciler.update([pod('one')])
  for (let round = 0; round < 20; round += 1) await elapse()
  t.equal(delays.at(-1), 30_000)
})

void test('requests before a run make one run, with the last word', async (t) => {
  const { reconciler, datapath, cookies, delays } = reconciling(t)
  cookies.set('/n/one', 1n).set('/n/two', 2n)
  await Promise.all([reconciler.update([pod('one')]), reconciler.update([pod('two')])])
  t.strictSame(datapath.calls, ['enrol 2'])
  t.equal(delays.length, 1)
})

void test('nothing happens after the end, and nobody waits for it', async (t) => {
  const { reconciler, datapath, cookies } = reconciling(t)
  cookies.set('/n/one', 1n)
  const run = reconciler.update([pod('one')])
  reconciler[Symbol.dispose]()
  await run
  await reconciler.update([])
  t.strictSame(datapath.calls, [])
})
