import { test } from 'tap'
import { askedRatios, compare } from '../../../bench/comparisons.ts'
import type { Mode } from '../../../bench/options.ts'
import { removedShare } from '../../../bench/measure/removed-share.ts'
import { renderReport } from '../../../bench/report/text.ts'
import type { Comparison, Report, Run } from '../../../bench/report.ts'
import { surroundings } from './sample-report.ts'

const cell = {
  scenario: 'keepalive',
  payloadBytes: 65536,
  connections: 16,
  redirect: 'iptables-nft',
} as const

const run = (mode: Mode, round: number, qps: number): Run => ({
  ...cell,
  mode,
  round,
  qps,
  latencyUs: { p50: 1e6 / qps, p90: 2e6 / qps, p99: 3e6 / qps, p999: 4e6 / qps },
  cpuUsPerRequest: 1e6 / qps,
  errors: 0,
  redirectedShare: mode === 'meshaccel' ? 0.999 : 0,
  stealShare: 0,
})

const runs = [
  run('meshaccel', 1, 1500),
  run('iptables', 1, 1000),
  run('unix', 1, 2000),
  run('iptables', 2, 500),
  run('unix', 2, 1000),
  run('meshaccel', 2, 800),
]

/** Six rounds, in which meshaccel is 1.5 and 1.6 times as fast by turns. */
const more = [1, 2, 3, 4, 5, 6].flatMap((round) => [
  run('iptables', round, 1000),
  run('meshaccel', round, round % 2 === 0 ? 1500 : 1600),
  run('unix', round, 2000),
])

const report: Report = {
  ...surroundings,
  runs: more,
  comparisons: compare(more),
  repeatedRounds: 1,
}

void test('every mode is compared with every other, within its rounds', (t) => {
  t.equal(report.comparisons.length, 6)
  const between = (mode: Mode, baseline: Mode): Comparison | undefined =>
    report.comparisons.find((each) => each.mode === mode && each.baseline === baseline)
  const found = between('meshaccel', 'iptables')
  t.match(found, { ...cell, verdict: 'faster', qpsRatio: { pairs: 6 } })
  const { median = 0, low = 0, high = 0 } = found?.qpsRatio ?? {}
  t.ok(1.45 < low && low < median && median < high && high < 1.65, `${median} (${low}-${high})`)
  t.ok((found?.p50Ratio?.high ?? 1) < 0.7 && (found?.cpuRatio?.high ?? 1) < 0.7)
  const opposite = between('iptables', 'meshaccel')
  t.match(opposite, { verdict: 'slower', qpsRatio: { median: 1 / median, low: 1 / high } })
  t.notOk(found && 'gbpsRatio' in found, 'what was not measured is not compared')
  t.end()
})

void test('a round in which a mode is missing compares nothing', (t) => {
  const some = compare([run('iptables', 1, 1000), run('meshaccel', 2, 1000)])
  t.notOk(some.some((comparison) => 'qpsRatio' in comparison))
  t.end()
})

void test('the way to Unix sockets is a share of the time per request', (t) => {
  const share = removedShare(runs, cell, 'meshaccel')
  // From 1000 to 1500 of 2000 requests/s removes 0.33 of 0.5 ms; from 500 to 800 of 1000 removes 0.75 of 1 ms.
  t.ok(share && Math.abs(share.low - 2 / 3) < 1e-9 && Math.abs(share.high - 0.75) < 1e-9)
  const slower = [...runs.filter(({ mode }) => mode !== 'unix'), run('unix', 1, 900)]
  t.equal(removedShare(slower, cell, 'meshaccel'), undefined)
  t.end()
})

void test('what observing costs is told against meshaccel', (t) => {
  const observed = [...runs, run('observed', 1, 1485), run('observed', 2, 800)]
  t.match(
    renderReport({ ...report, runs: observed, comparisons: compare(observed) }),
    'observed: not sure: 0.995x the speed of meshaccel (0.928-1.067)',
  )
  t.end()
})

void test('the speeds against iptables have to be precise, or those against the first mode', (t) => {
  t.equal(askedRatios(more).length, 2)
  t.match(askedRatios(more)[1], { median: 2, pairs: 6 })
  const others = more.filter(({ mode }) => mode !== 'iptables')
  t.match(askedRatios(others), { length: 1, 0: { pairs: 6 } })
  const broken = more.map((each): Run => {
    const { qps: _qps, ...rest } = each
    return each.mode === 'unix' ? rest : each
  })
  t.equal(askedRatios(broken)[1], undefined, 'a mode without figures asks for nothing')
  t.same(askedRatios([]), [])
  t.end()
})

void test('the report ends each table with a plain line', (t) => {
  const text = renderReport(report)
  t.match(text, 'keepalive: 64 KiB, 16 connections')
  t.match(
    text,
    /meshaccel: 1.55x the requests of iptables \(1\.\d\d-1\.6\d\), 71 % of the way to Unix/,
  )
  t.match(text, /^iptables +1,000 +1,000 +3,000/m)
  t.match(text, 'Medians of 6 rounds')
  t.match(text, '1 round repeated')
  t.notMatch(text, 'The time was up')
  t.match(renderReport({ ...report, ended: 'time' }), 'before each ratio was known to 3 %')
  t.end()
})

void test('an interval that contains 1 is not sure, and a single round has none', (t) => {
  const text = (some: readonly Run[]): string =>
    renderReport({ ...report, runs: some, comparisons: compare(some) })
  t.match(text(runs), /meshaccel: not sure: 1\.55x the requests of iptables \(0\.\d\d-/)
  const first = runs.filter(({ round }) => round === 1)
  t.match(text(first), 'meshaccel: not sure: 1.50x the requests of iptables (one round)')
  const noisy = [...first, run('iptables', 2, 1000), run('meshaccel', 2, 500)]
  t.match(text(noisy), 'meshaccel: not sure: 0.87x the requests of iptables (too few rounds)')
  t.end()
})
