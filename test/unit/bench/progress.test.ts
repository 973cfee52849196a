import { test } from 'tap'
import type { RoundsState } from '../../../bench/measure/rounds.ts'
import type { Cell, Mode } from '../../../bench/options.ts'
import { beginning, progressOf } from '../../../bench/progress.ts'
import type { Run } from '../../../bench/report.ts'

const cell: Cell = { scenario: 'keepalive', payloadBytes: 65536, connections: 16, redirect: 'nft' }
const run = (mode: Mode, qps: number, connections = 16): Run => ({
  ...cell,
  connections,
  mode,
  round: 1,
  qps,
  errors: 0,
})

const state: RoundsState = {
  cell,
  mode: 'unix',
  round: 2,
  runs: [
    run('iptables', 1000),
    run('meshaccel', 1500),
    run('unix', 1600),
    run('iptables', 1, 1),
    run('meshaccel', 1, 1),
    run('unix', 1, 1),
  ],
  runsOfRound: 6,
  beginMs: 10_000,
}

void test('a number of rounds tells how much is done', async (t) => {
  const { leftMs = 0, ...step } = progressOf(state, 3, Infinity, 40_000)
  t.equal(Math.round(leftMs), 60_000)
  t.same(step, {
    what: 'round 2 of 3, keepalive 64 KiB x 16, unix',
    share: 6 / 18,
    atMost: false,
    figures: 'meshaccel 1.50x (one round)',
  })
  t.match(progressOf(state, 3, 50_000, 40_000), { leftMs: 10_000 }, 'the limit comes first')
  const none = progressOf({ ...state, runs: [] }, 3, Infinity, 11_000)
  t.same([none.share, none.leftMs, none.figures], [0, undefined, undefined])
})

void test('rounds that end by precision take at most until the limit', async (t) => {
  t.match(progressOf(state, undefined, 110_000, 35_000), {
    what: 'round 2, keepalive 64 KiB x 16, unix',
    share: 0.25,
    leftMs: 75_000,
    atMost: true,
  })
})

void test('the set-up is named', async (t) => {
  t.same(beginning([cell]), { what: 'setting up keepalive' })
})
