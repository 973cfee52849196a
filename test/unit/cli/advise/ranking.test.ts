import { test } from 'tap'
import { rank, savedCpuOf } from '../../../../src/cli/advise/ranking.ts'
import { sampleBegun, sampleReport } from '../../../helpers/sample-advice.ts'

void test('the namespace that would save the most comes first', async (t) => {
  const { namespaces, cost, elapsedMs, watched } = rank(sampleBegun, sampleReport)
  t.equal(elapsedMs, 10_000)
  t.equal(watched, sampleBegun)
  t.equal(cost.cpuShare, 0.002)
  t.strictSame(
    namespaces.map(({ namespace }) => namespace),
    ['shop', 'bank'],
  )
  const [shop, bank] = namespaces
  t.match(shop, {
    connections: 10,
    bothHereShare: 0.8,
    wouldJoin: { connections: 8, turnsPerSecond: 4_000, bytesPerSecond: 10_240_000 },
    wouldJoinShare: 0.8,
    unseenSockets: 0,
  })
  // 4,000 turns of 3 us and 10,000 KiB of 0.25 us.
  t.equal(shop?.savedCpu, 0.0145)
  t.strictSame(Object.keys(bank?.wouldNot ?? {}), ['remote-peer', 'blocking-reader'])
  t.match(bank, { savedCpu: 0, wouldJoinShare: 0, unseenSockets: 898 })
})

void test('without savings the number of connections decides, then the name', async (t) => {
  const [empty] = sampleReport.namespaces
  if (!empty) throw new Error('the sample has namespaces')
  const named = (namespace: string, connections: number) => ({
    ...empty,
    namespace,
    all: { ...empty.all, connections },
  })
  const report = { ...sampleReport, namespaces: [named('b', 1), named('c', 2), named('a', 1)] }
  t.strictSame(
    rank(sampleBegun, report).namespaces.map(({ namespace }) => namespace),
    ['c', 'a', 'b'],
  )
  const none = { connections: 0, bytes: 0n, turns: 0n }
  const idle = { ...empty, all: none, bothHere: none }
  t.match(rank(sampleBegun, { ...report, elapsedMs: 0, namespaces: [idle] }).namespaces, [
    { bothHereShare: 0, wouldJoinShare: 0, savedCpu: 0 },
  ])
})

const saved = (turnsPerSecond: number, bytesPerSecond: number): number =>
  savedCpuOf({ connections: 1, turnsPerSecond, bytesPerSecond })

void test('more turns or more bytes never save less', async (t) => {
  t.equal(saved(0, 0), 0)
  for (const more of [1, 1_000, 1e6]) {
    t.ok(saved(more, 10) > saved(0, 10))
    t.ok(saved(10, more) > saved(10, 0))
  }
})
