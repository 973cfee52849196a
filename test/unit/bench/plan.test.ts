import { test } from 'tap'
import { cellsOf, formatSize, parseSize } from '../../../bench/options.ts'
import { type BenchArguments, planBench } from '../../../bench/plan.ts'
import { benchArguments } from '../../helpers/bench-arguments.ts'

const given: BenchArguments = { ...benchArguments, mesh: 'istio', redirect: 'iptables-nft' }

void test('sizes', (t) => {
  t.same(
    ['81', '81B', '64k', '64KiB', '64 KiB', '1MiB', '1M', '0'].map(parseSize),
    [81, 81, 65536, 65536, 65536, 1048576, 1048576, 0],
  )
  t.same(['', '-1', '1.5k', '1GiB', 'KiB', '0x10'].map(parseSize), Array(6).fill(undefined))
  t.same([0, 81, 1024, 65536, 1048576].map(formatSize), ['0 B', '81 B', '1 KiB', '64 KiB', '1 MiB'])
  t.end()
})

void test('lists cross', (t) => {
  const plan = planBench({ ...given, payload: '81,64KiB', connections: '1,4,16,4' })
  t.equal(cellsOf(plan).length, 6)
  t.same(cellsOf(plan)[0], {
    scenario: 'keepalive',
    payloadBytes: 81,
    connections: 1,
    redirect: 'iptables-nft',
  })
  t.same(plan.modes, ['iptables', 'meshaccel', 'naive', 'unix', 'direct'])
  t.end()
})

void test('what observing costs is measured where it is asked for', (t) => {
  const all = { modes: 'meshaccel,observed' }
  t.same(planBench({ ...given, ...all }).observations, ['measure', 'trace', 'otlp'])
  t.same(planBench({ ...given, ...all, observe: 'trace' }).observations, ['trace'])
  t.end()
})

void test('streams have sizes of their own', (t) => {
  const plan = planBench({ ...given, scenario: 'stream,close', connections: '1' })
  t.same(
    cellsOf(plan).map(({ scenario, payloadBytes }) => `${scenario} ${payloadBytes}`),
    ['stream 1024', 'stream 65536', 'close 81', 'close 65536'],
  )
  t.end()
})

void test('rounds go on until ratios are precise or the time is up, or their number is exact', (t) => {
  const effort = (more: Partial<BenchArguments>): unknown => {
    const { rounds, precision, timeLimitMs } = planBench({ ...given, ...more })
    return { rounds, precision, timeLimitMs }
  }
  const endless = { rounds: undefined, precision: 0.03 }
  t.same(effort({}), { ...endless, timeLimitMs: 600_000 })
  t.same(effort({ quick: true }), { ...endless, timeLimitMs: 50_000 })
  t.same(effort({ quick: true, timeLimit: 300 }), { ...endless, timeLimitMs: 300_000 })
  t.same(effort({ precision: '0.5 %', timeLimit: 3600 }), {
    ...endless,
    precision: 0.005,
    timeLimitMs: 3_600_000,
  })
  const exact = { rounds: 7, precision: 0.03 }
  t.same(effort({ rounds: 7 }), { ...exact, timeLimitMs: undefined })
  t.same(effort({ rounds: 7, timeLimit: 60 }), { ...exact, timeLimitMs: 60_000 })
  t.same(effort({ rounds: 7, quick: true }), { ...exact, timeLimitMs: 50_000 })
  t.end()
})

void test('what cannot be meant is refused', (t) => {
  const refused = { name: 'PlanError' }
  for (const wrong of [
    { scenario: 'mtls' },
    { scenario: 'keepalive,' },
    { scenario: 'fast' },
    { modes: 'iptables,none' },
    { connections: '0' },
    { connections: '1e3' },
    { connections: '5000' },
    { payload: 'big' },
    { scenario: 'stream', payload: '1MiB' },
    { duration: 0 },
    { duration: Number.NaN },
    { redirect: 'ipvs' },
    { redirect: 'nft', mesh: 'linkerd' as const },
    { redirect: 'tproxy', mesh: 'linkerd' as const },
    { rate: 0 },
    { rate: Number.NaN },
    { rounds: 1.5 },
    { rounds: 0 },
    { rounds: 3, precision: '3%' },
    { precision: '0' },
    { precision: '200%' },
    { precision: 'much' },
    { timeLimit: 5 },
    { timeLimit: Number.NaN },
    { observe: 'trace' },
    { modes: 'observed', observe: 'all' },
  ]) {
    t.throws(() => planBench({ ...given, ...wrong }), refused, JSON.stringify(wrong))
  }
  t.doesNotThrow(() => planBench({ ...given, scenario: 'mtls', proxy: 'envoy' }))
  t.end()
})
