import { test } from 'tap'
import type { ObservedPod } from '../../../src/pods/observed-pod.ts'
import { desiredState } from '../../../src/reconcile/desired.ts'
import { inTrial } from '../../../src/reconcile/trial.ts'

const pod: ObservedPod = { namespace: 'shop', name: 'cart', mesh: 'istio' }
const on = { namespace: 'shop', on: true }
const off = { namespace: 'shop', on: false }

void test('a trial enrols a pod without a setting, on both paths', async (t) => {
  t.strictSame(inTrial(pod, on), { ...pod, enabled: true })
  t.match(inTrial(pod, off), { enabled: true, exclusions: { ports: [{ from: 1, to: 65_535 }] } })
})

void test('it leaves other namespaces and disabled pods alone', async (t) => {
  const other = { ...pod, namespace: 'bank' }
  const disabled = { ...pod, enabled: false }
  for (const one of [other, disabled]) {
    t.equal(inTrial(one, on), one)
    t.equal(inTrial(one, off), one)
  }
})

void test('the user’s exclusions count while it is on, and unreadable ones always', async (t) => {
  const rules = { ports: [{ from: 80, to: 80 }], cidrs: [], uids: [] }
  t.strictSame(inTrial({ ...pod, exclusions: rules }, on).exclusions, rules)
  t.strictSame(inTrial({ ...pod, exclusions: 'invalid' }, off).exclusions, 'invalid')
})

void test('the same pod gives the same object', async (t) => {
  t.equal(inTrial(pod, on), inTrial(pod, on))
  t.equal(inTrial(pod, off), inTrial(pod, off))
})

void test('the maps have the same pods on both paths, with a rule for all connections or without', async (t) => {
  const found = { netnsCookie: 7n, netnsPath: '/run/netns/7', ips: [] }
  const resolutions = new Map([['shop/cart', found]])
  const options = { defaultEnabled: false, refused: false }
  const enrolmentOf = (one: ObservedPod): unknown =>
    desiredState([one], resolutions, options).enrolments.get(7n)
  t.equal(enrolmentOf(pod), undefined)
  t.strictSame(enrolmentOf(inTrial(pod, on)), {
    netnsCookie: 7n,
    netnsPath: '/run/netns/7',
    proxyUid: 1337,
  })
  t.match(enrolmentOf(inTrial(pod, off)), { exclusions: { ports: [{ from: 1, to: 65_535 }] } })
})
