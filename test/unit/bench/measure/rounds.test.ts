import { test } from 'tap'
import type { Run } from '../../../../bench/report.ts'
import { runRounds } from '../../../../bench/measure/rounds.ts'
import { parseStat, stealShare } from '../../../../bench/measure/steal.ts'

const cells = [
  { scenario: 'keepalive', payloadBytes: 81, connections: 1, redirect: 'nft' },
] as const
const modes = ['iptables', 'meshaccel'] as const
const quiet = (): void => {}

function measureWith(
  steals: number[],
  order: string[] = [],
): Parameters<typeof runRounds>[0]['measure'] {
  return (cell, mode, round) => {
    order.push(`${round} ${mode}`)
    const run: Run = {
      ...cell,
      mode,
      round,
      qps: order.length,
      cpuUsPerRequest: 1,
      errors: 0,
      stealShare: steals.shift() ?? 0,
    }
    return Promise.resolve(run)
  }
}

void test('every mode is measured once per round', async (t) => {
  const order: string[] = []
  const { runs, repeatedRounds } = await runRounds({
    cells,
    modes,
    rounds: 3,
    measure: measureWith([], order),
    say: quiet,
  })
  t.equal(runs.length, 6)
  t.equal(repeatedRounds, 0)
  t.same(new Set(order).size, 6)
})

void test('a round with much stolen time is repeated, three times at most, and the best one counts', async (t) => {
  const once = await runRounds({
    cells,
    modes,
    rounds: 1,
    measure: measureWith([0, 0.2]),
    say: quiet,
  })
  t.equal(once.repeatedRounds, 1)
  t.same(
    once.runs.map(({ qps }) => qps),
    [3, 4],
  )
  const always = await runRounds({
    cells,
    modes,
    rounds: 1,
    measure: measureWith([0.5, 0, 0.1, 0, 0.3, 0]),
    say: quiet,
  })
  t.equal(always.repeatedRounds, 2)
  t.same(
    always.runs.map(({ qps }) => qps),
    [3, 4],
  )
})

void test('no round begins that would not end in time', async (t) => {
  let time = 0
  const { runs } = await runRounds({
    cells,
    modes,
    rounds: 5,
    budgetMs: 5_000,
    now: () => (time += 1_000),
    measure: measureWith([]),
    say: quiet,
  })
  const rounds = runs.at(-1)?.round ?? 0
  t.ok(rounds >= 1 && rounds < 5, `${rounds} rounds`)
})

void test('steal is a share of all time', (t) => {
  const before = parseStat('cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 1 1 1\n')
  const after = parseStat('cpu  150 0 130 810 0 0 0 10 70 0\ncpu0 1 1 1 1\n')
  t.equal(stealShare(before, after), 0.1)
  t.equal(stealShare(after, after), 0)
  t.end()
})
