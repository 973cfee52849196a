import { test } from 'tap'
import type { ObservedPod } from '../../../src/pods/observed-pod.ts'
import { everything, onTcp } from '../../../src/reconcile/on-tcp.ts'

const pod: ObservedPod = { namespace: 'shop', name: 'cart', mesh: 'istio' }

void test('a pod on TCP keeps its settings, apart from its rules', async (t) => {
  const rules = { ports: [{ from: 80, to: 80 }], cidrs: [], uids: [] }
  t.strictSame(onTcp({ ...pod, enabled: false, exclusions: rules }), {
    ...pod,
    enabled: false,
    exclusions: everything,
  })
  t.equal(onTcp(pod), onTcp(pod), 'the same pod gives the same object')
  const unreadable: ObservedPod = { ...pod, exclusions: 'invalid' }
  t.equal(onTcp(unreadable), unreadable)
})
