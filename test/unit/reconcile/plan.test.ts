import { deepStrictEqual, notDeepStrictEqual, ok } from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import type { PodNetns } from '../../../src/datapath/datapath.ts'
import { plan } from '../../../src/reconcile/plan.ts'

type Maps = Map<bigint, PodNetns | undefined>

const cookie = fc.bigInt({ min: 1n, max: 8n })
const pod = fc.record(
  {
    netnsCookie: cookie,
    netnsPath: fc.constantFrom('/run/netns/a', '/run/netns/b'),
    proxyUid: fc.constantFrom(1337, 2102),
    blockingReaders: fc.constant('accelerate' as const),
    exclusions: fc.constantFrom('10.0.0.0/8', 'fd00::/8').map((cidr) => ({
      ports: [],
      cidrs: [cidr],
      uids: [],
    })),
  },
  { requiredKeys: ['netnsCookie', 'netnsPath', 'proxyUid'], noNullPrototype: true },
)
const desired = fc
  .array(pod)
  .map((pods) => new Map(pods.map((entry) => [entry.netnsCookie, entry] as const)))
/** Some enrolments are from an earlier agent, known only by their cookie. */
const current: fc.Arbitrary<Maps> = fc
  .tuple(desired, fc.array(cookie))
  .map(([own, adopted]) => new Map([...own, ...adopted.map((key) => [key, undefined] as const)]))

function apply(maps: Maps, { enrol, withdraw }: ReturnType<typeof plan>): Maps {
  const after = new Map(maps)
  for (const key of withdraw) after.delete(key)
  for (const entry of enrol) after.set(entry.netnsCookie, entry)
  return after
}

void test('leads from anything to the desired state, and then no further', async () => {
  fc.assert(
    fc.property(desired, current, (want, have) => {
      const after = apply(have, plan(want, have))
      deepStrictEqual(after, want)
      deepStrictEqual(plan(want, after), { enrol: [], withdraw: [] })
    }),
  )
})

void test('touches nothing that is right', async () => {
  fc.assert(
    fc.property(desired, current, (want, have) => {
      const { enrol, withdraw } = plan(want, have)
      for (const entry of enrol) notDeepStrictEqual(have.get(entry.netnsCookie), entry)
      for (const key of withdraw) ok(!want.has(key))
    }),
  )
})
