import { test } from 'tap'
import type { ObservedPod } from '../../../src/pods/observed-pod.ts'
import { desiredState, type NetnsResolution } from '../../../src/reconcile/desired.ts'

const options = { defaultEnabled: false, refused: false }
const one: ObservedPod = {
  namespace: 'a',
  name: 'one',
  netns: { path: '/n/1' },
  mesh: 'istio',
  enabled: true,
}
const found: NetnsResolution = { netnsCookie: 1n, netnsPath: '/n/1', ips: ['10.0.0.1'] }
const resolutions = new Map([['a/one', found]])

function reasonOf(
  pod: ObservedPod,
  resolution: NetnsResolution = found,
  changed: Partial<typeof options> = {},
): string | undefined {
  const state = desiredState([pod], new Map([['a/one', resolution]]), { ...options, ...changed })
  return state.seen[0]?.reason
}

void test('an enabled pod with a mesh and a namespace is enrolled', async (t) => {
  t.strictSame(desiredState([one], resolutions, options), {
    seen: [
      {
        namespace: 'a',
        name: 'one',
        mesh: 'istio',
        netnsCookie: 1n,
        ips: ['10.0.0.1'],
        enrolled: true,
      },
    ],
    enrolments: new Map([[1n, { netnsCookie: 1n, netnsPath: '/n/1', proxyUid: 1337 }]]),
  })
})

void test("the sidecar's uid is the pod's own, else the mesh's", async (t) => {
  const uid = (pod: ObservedPod): number | undefined =>
    desiredState([pod], resolutions, options).enrolments.get(1n)?.proxyUid
  const { mesh, ...meshless } = one
  t.equal(mesh, 'istio')
  t.equal(uid({ ...one, mesh: 'linkerd' }), 2102)
  t.equal(uid({ ...one, mesh: 'kuma' }), 5678)
  t.equal(uid({ ...one, mesh: 'consul' }), 5995)
  t.equal(uid({ ...one, mesh: 'ambient' }), 0, 'none is known by it')
  t.equal(uid({ ...one, proxyUid: 5 }), 5)
  t.equal(uid({ ...meshless, proxyUid: 0 }), 0)
  t.equal(uid(meshless), undefined)
  t.equal(reasonOf(meshless), 'no-mesh')
})

void test('what is not enrolled has one reason', async (t) => {
  const { enabled, ...silent } = one
  t.equal(enabled, true)
  t.equal(reasonOf({ ...one, enabled: false }), 'disabled')
  t.equal(reasonOf(silent), 'disabled')
  t.equal(reasonOf(silent, found, { defaultEnabled: true }), undefined)
  t.equal(reasonOf({ ...one, enabled: false }, found, { defaultEnabled: true }), 'disabled')
  t.equal(reasonOf(one, { reason: 'host-network' }), 'host-network')
  t.equal(reasonOf({ ...one, hostNetwork: true }), 'host-network')
  t.equal(reasonOf({ ...one, finished: true }), 'finished')
  const { mesh, ...meshless } = one
  t.equal(mesh, 'istio')
  t.equal(reasonOf({ ...meshless, ambient: true }), 'ambient')
  t.equal(reasonOf({ ...meshless, hostNetwork: true }), 'host-network', 'rather than no-mesh')
  t.equal(reasonOf({ ...one, exclusions: 'invalid' }), 'exclusions-invalid')
  t.equal(reasonOf({ ...one, unknownAnnotation: true }), 'annotation-unknown')
  t.equal(
    reasonOf({ ...one, exclusions: 'invalid', unknownAnnotation: true }),
    'exclusions-invalid',
    'the narrower of the two',
  )
  t.equal(reasonOf(one, found, { refused: true }), 'refused')
})

void test('rules that keep connections on TCP are part of the enrolment', async (t) => {
  const exclusions = { ports: [{ from: 80, to: 80 }], cidrs: [], uids: [] }
  const { seen, enrolments } = desiredState([{ ...one, exclusions }], resolutions, options)
  t.match(seen, [{ enrolled: true }])
  t.strictSame(enrolments.get(1n)?.exclusions, exclusions)
  t.equal(reasonOf({ ...one, exclusions, enabled: false }), 'disabled')
})

void test('blocking readers join only where their user says so', async (t) => {
  const choice = (pod: ObservedPod): unknown =>
    desiredState([pod], resolutions, options).enrolments.get(1n)
  const enrolment = { netnsCookie: 1n, netnsPath: '/n/1', proxyUid: 1337 }
  t.strictSame(choice({ ...one, blockingReaders: 'accelerate' }), {
    ...enrolment,
    blockingReaders: 'accelerate',
  })
  t.strictSame(choice({ ...one, blockingReaders: 'leave' }), enrolment, 'as without a word')
})

void test('a pod whose namespace nobody has found has its own reason', async (t) => {
  const { netns, ...unfound } = one
  t.ok(netns)
  t.match(desiredState([unfound], new Map(), options).seen, [{ reason: 'netns-unknown', ips: [] }])
})

void test('the addresses that the source knows come first', async (t) => {
  const told = { ...one, ips: ['10.9.9.9'] }
  t.match(desiredState([told], resolutions, options).seen, [{ ips: ['10.9.9.9'] }])
})

void test('of two enabled pods in one namespace the first has it', async (t) => {
  const two = { ...one, name: 'two' }
  const both = new Map([...resolutions, ['a/two', found] as const])
  const { seen } = desiredState([one, two], both, options)
  t.match(seen, [{ enrolled: true }, { enrolled: false, reason: 'duplicate-netns' }])
  const first = desiredState([{ ...one, enabled: false }, two], both, options)
  t.match(first.seen, [{ reason: 'disabled' }, { enrolled: true }])
})

void test('what stays the same stays the same object', async (t) => {
  const two: ObservedPod = { ...one, name: 'two' }
  const before = desiredState([one, two], resolutions, options)
  const after = desiredState([one, { ...two }], resolutions, options)
  t.equal(after.seen[0], before.seen[0])
  t.equal(after.enrolments.get(1n), before.enrolments.get(1n))
  t.not(after.seen[1], before.seen[1])

  const changes = {
    refused: desiredState([one], resolutions, { ...options, refused: true }),
    elsewhere: desiredState([one], new Map([['a/one', { ...found, netnsCookie: 2n }]]), options),
    again: desiredState([one], resolutions, options),
  }
  t.match(changes, {
    refused: { seen: [{ enrolled: false, reason: 'refused' }] },
    elsewhere: { seen: [{ enrolled: true, netnsCookie: 2n }] },
    again: { seen: [{ enrolled: true, netnsCookie: 1n }] },
  })
})
