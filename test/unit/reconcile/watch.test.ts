import { test } from 'tap'
import type { ObservedPod } from '../../../src/pods/observed-pod.ts'
import { podKey } from '../../../src/pods/observed-pod.ts'
import { candidatesOf, withWatched } from '../../../src/reconcile/watch.ts'

const pod = (name: string, changed: Partial<ObservedPod> = {}): ObservedPod => ({
  namespace: 'shop',
  name,
  mesh: 'istio',
  ...changed,
})

const options = { defaultEnabled: false, refused: false }
const rules = { ports: [{ from: 80, to: 80 }], cidrs: [], uids: [] }

void test('candidates are the pods that are not enabled, with what would become of them', async (t) => {
  const { mesh: _, ...unmeshed } = pod('db')
  const pods = [
    pod('on', { enabled: true }),
    pod('unset'),
    pod('off', { enabled: false, exclusions: rules }),
    unmeshed,
    pod('misspelt', { exclusions: 'invalid' }),
    pod('lost'),
  ]
  const found = new Map(
    pods
      .filter(({ name }) => name !== 'lost')
      .map((one, index) => [
        podKey(one),
        { netnsCookie: BigInt(index), netnsPath: `/run/netns/${one.name}`, ips: [] },
      ]),
  )
  t.strictSame(candidatesOf(pods, found, options), [
    {
      pod: 'shop/unset',
      namespace: 'shop',
      netnsCookie: 1n,
      netnsPath: '/run/netns/unset',
      isRefused: false,
      hasRules: false,
    },
    {
      pod: 'shop/off',
      namespace: 'shop',
      netnsCookie: 2n,
      netnsPath: '/run/netns/off',
      isRefused: true,
      hasRules: true,
    },
    { pod: 'shop/db', namespace: 'shop', reason: 'no-mesh', isRefused: false, hasRules: false },
    {
      pod: 'shop/misspelt',
      namespace: 'shop',
      reason: 'exclusions-invalid',
      isRefused: false,
      hasRules: false,
    },
    {
      pod: 'shop/lost',
      namespace: 'shop',
      reason: 'netns-unknown',
      isRefused: false,
      hasRules: false,
    },
  ])
  const byDefault = { ...options, defaultEnabled: true }
  t.match(candidatesOf(pods, found, byDefault), [{ pod: 'shop/off' }])
})

void test('watched pods are kept on TCP, and enabled ones stay as they are', async (t) => {
  const [on, unset, other] = [pod('on', { enabled: true }), pod('unset'), pod('other')]
  const pods = [on, unset, other]
  t.equal(withWatched(pods, new Set(), false), pods)
  const changed = withWatched(pods, new Set(['shop/on', 'shop/unset']), false)
  t.equal(changed[0], on)
  t.equal(changed[2], other)
  t.match(changed[1], {
    enabled: true,
    exclusions: { ports: [{ from: 1, to: 65_535 }], cidrs: [], uids: [] },
  })
  t.equal(withWatched(pods, new Set(['shop/unset']), true)[1], unset, 'it is enabled by default')
})
