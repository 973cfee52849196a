import { test, type Test } from 'tap'
import { createLog } from '../../../../src/lib/log.ts'
import type { NetnsRef } from '../../../../src/pods/observed-pod.ts'
import { NetnsSearch, type WantedPod } from '../../../../src/sources/netns/search.ts'

const pod = (name: string): WantedPod => ({
  namespace: 'a',
  name,
  uid: `uid-${name}`,
  fingerprint: '10.0.0.1',
})

/** A search without automatic retries and rechecks. */
function searching(t: Test): { search: NetnsSearch; known: Map<string, NetnsRef> } {
  const known = new Map<string, NetnsRef>()
  const search = new NetnsSearch({
    finders: [
      {
        name: 'somebody',
        find: async (uids) => new Map([...known].filter(([uid]) => uids.has(uid))),
      },
    ],
    changed: () => undefined,
    log: createLog('silent'),
    isReachable: () => true,
    times: { firstRetryMs: 600_000, longestRetryMs: 600_000, recheckMs: 600_000 },
  })
  t.teardown(() => search[Symbol.dispose]())
  return { search, known }
}

void test('pods are still found after the end of a sandbox that nobody wanted', async (t) => {
  const { search, known } = searching(t)
  const sandbox = { namespace: 'a', name: 'plain', containerId: 'c1', netnsPath: '/netns/1' }
  search.announce(sandbox)
  search.forget((containerId) => containerId === 'c1')
  known.set('uid-one', { pid: 1 })
  await search.want([pod('one')])
  t.strictSame(search.of(pod('one')), { pid: 1 })
})

void test('one that was not found is looked for again along with the next one', async (t) => {
  const { search, known } = searching(t)
  await search.want([pod('one')])
  t.equal(search.of(pod('one')), undefined)
  known.set('uid-one', { pid: 1 })
  await search.want([pod('one'), pod('two')])
  t.strictSame(search.of(pod('one')), { pid: 1 })
})
