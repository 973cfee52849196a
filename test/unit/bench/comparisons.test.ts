import { test } from 'tap'
import { compare } from '../../../bench/comparisons.ts'
import type { Mode } from '../../../bench/options.ts'
import { removedShare } from '../../../bench/measure/removed-share.ts'
import { renderReport } from '../../../bench/report/text.ts'
import type { Report, Run } from '../../../bench/report.ts'
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

const report: Report = { ...surroundings, runs, comparisons: compare(runs), repeatedRounds: 1 }

void test('every mode is compared with every other, within its rounds', (t) => {
  t.equal(report.comparisons.length, 6)
  const found = report.comparisons.find(
    ({ mode, baseline }) => mode === 'meshaccel' && baseline === 'iptables',
  )
  t.same(found?.qpsRatio, { median: 1.55, low: 1.5, high: 1.6 })
  t.match(found, { ...cell, p50Ratio: { low: 0.625 }, cpuRatio: { low: 0.625 } })
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
    'observed: 0.995x the speed of meshaccel (0.990-1.000)',
  )
  t.end()
})

void test('the report ends each table with a plain line', (t) => {
  const text = renderReport(report)
  t.match(text, 'keepalive: 64 KiB, 16 connections')
  t.match(text, 'meshaccel: 1.55x the requests of iptables (1.50-1.60), 71 % of the way to Unix')
  t.match(text, /^iptables +750 +1,500 +4,500/m)
  t.match(text, 'Medians of 2 rounds')
  t.match(text, '1 round repeated')
  t.end()
})
