import { test } from 'tap'
import type { NetnsFinder } from '../../../src/sources/netns/finder.ts'
import { NetnsSearch } from '../../../src/sources/netns/search.ts'
import { createLog } from '../../../src/log.ts'

const pod = { namespace: 'shop', name: 'cart', uid: 'uid-cart', fingerprint: '10.0.0.1' }

void test('finds pods that come after a look with nothing to look for', async (t) => {
  const finder: NetnsFinder = {
    name: 'a finder',
    find: async (uids) => new Map([...uids].map((uid) => [uid, { pid: 11 }])),
  }
  using search = new NetnsSearch({
    finders: [finder],
    changed: () => undefined,
    log: createLog('silent'),
    isReachable: () => true,
  })
  // Of a pod that nobody wants to enrol.
  search.announce({
    namespace: 'shop',
    name: 'job',
    containerId: 'c1',
    netnsPath: '/run/netns/job',
  })
  search.forget(() => true)
  await search.want([pod])
  t.strictSame(search.of(pod), { pid: 11 })
})
