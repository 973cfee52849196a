import { test } from 'tap'
import type { Run } from '../../../../bench/report.ts'
import {
  endOf,
  type Rounds,
  type RoundsOptions,
  runRounds,
} from '../../../../bench/measure/rounds.ts'
import type { Ended } from '../../../../bench/measure/stopping.ts'
import { parseStat, stealShare } from '../../../../bench/measure/steal.ts'

const cells = [
  { scenario: 'keepalive', payloadBytes: 81, connections: 1, redirect: 'nft' },
  { scenario: 'keepalive', payloadBytes: 81, connections: 16, redirect: 'nft' },
] as const
const modes = ['iptables', 'meshaccel'] as const
const [first] = cells

/** A bench whose runs take a second each on its clock, until `order` tells how it went. */
class Machine {
  readonly order: string[] = []
  readonly said: string[] = []
  readonly steals: number[]
  timeMs = 0
  runMs = 1_000

  constructor(steals: number[] = []) {
    this.steals = steals
  }

  readonly options: RoundsOptions = {
    cells: [first],
    modes,
    precision: 0.03,
    deadlineMs: Infinity,
    isPrecise: () => false,
    say: (text) => this.said.push(text),
    now: () => this.timeMs,
    measure: async (cell, mode, round): Promise<Run> => {
      this.order.push(`${cell.connections} ${round} ${mode}`)
      this.timeMs += this.runMs
      const figures = { qps: this.order.length, cpuUsPerRequest: 1, errors: 0 }
      return { ...cell, mode, round, ...figures, stealShare: this.steals.shift() ?? 0 }
    },
  }
}

void test('every mode is measured once per round', async (t) => {
  const { options, order } = new Machine()
  const { runs, repeatedRounds, ended } = await runRounds({ ...options, rounds: 3 })
  t.equal(runs.length, 6)
  t.equal(repeatedRounds, 0)
  t.equal(ended, 'rounds')
  t.same(new Set(order).size, 6)
})

void test('a round with much stolen time is repeated, three times at most, and the best one counts', async (t) => {
  const once = await runRounds({ ...new Machine([0, 0.2]).options, rounds: 1 })
  t.equal(once.repeatedRounds, 1)
  t.same(
    once.runs.map(({ qps }) => qps),
    [3, 4],
  )
  const stolen = new Machine([0.5, 0, 0.1, 0, 0.3, 0])
  const always = await runRounds({ ...stolen.options, rounds: 1 })
  t.equal(always.repeatedRounds, 2)
  t.same(
    always.runs.map(({ qps }) => qps),
    [3, 4],
  )
  t.match(
    stolen.said,
    ['50.0 %', '10.0 %'].map((share) => new RegExp(`took ${share} .*repeating`)),
  )
})

void test('no run begins that would not end in time, and half a round does not count', async (t) => {
  const machine = new Machine([0.5])
  const { runs, ended, repeatedRounds } = await runRounds({ ...machine.options, deadlineMs: 7_500 })
  t.equal(machine.order.length, 7)
  t.equal(machine.timeMs, 7_000)
  t.same([runs.length, runs.at(-1)?.round, repeatedRounds], [4, 2, 1])
  t.equal(ended, 'time')
  t.match(machine.said.at(-1), 'time is up in round 3')
})

void test('a slow run makes the bench expect slower ones', async (t) => {
  const machine = new Machine()
  const { measure } = machine.options
  const { runs } = await runRounds({
    ...machine.options,
    deadlineMs: 8_500,
    measure: (cell, mode, round) => {
      machine.runMs = machine.order.length === 3 ? 4_000 : 1_000
      return measure(cell, mode, round)
    },
  })
  t.equal(runs.length, 4, 'the mean is 1.75 s, and 1.5 s are left')
})

void test('a first round that is cut off is an error that says what to do', async (t) => {
  await t.rejects(runRounds({ ...new Machine().options, deadlineMs: 1_500 }), {
    code: 'TIME_LIMIT',
    hint: /--time-limit/,
  })
})

void test('a run that the deadline cuts off does not count, and another failure is told', async (t) => {
  const stop = new AbortController()
  const { options, order } = new Machine()
  const bounded = {
    ...options,
    timeUp: stop.signal,
    measure: async (...run: Parameters<RoundsOptions['measure']>): Promise<Run> => {
      const result = await options.measure(...run)
      if (order.length < 4) return result
      throw new Error('no answer')
    },
  }
  await t.rejects(runRounds(bounded), { message: 'no answer' })
  order.length = 0
  const { runs, ended } = await runRounds({
    ...bounded,
    measure: (...run) => {
      if (order.length === 3) stop.abort()
      return bounded.measure(...run)
    },
  })
  t.same([runs.length, ended], [2, 'time'])
})

void test('a cell that is precise rests, and the bench ends with the last one', async (t) => {
  const machine = new Machine()
  const { runs, ended } = await runRounds({
    ...machine.options,
    cells,
    isPrecise: ([run, ...others], precision) =>
      precision === 0.03 && others.length + 1 >= (run?.connections === 1 ? 12 : 20),
  })
  t.equal(ended, 'precise')
  const rounds = (connections: number): number =>
    runs.filter((run) => run.connections === connections).length / 2
  t.same([rounds(1), rounds(16)], [6, 11], 'it looks after 6, 8 and 11 rounds')
})

void test('an exact number of rounds does not end earlier', async (t) => {
  const { options } = new Machine()
  const { runs, ended } = await runRounds({ ...options, rounds: 9, isPrecise: () => true })
  t.same([runs.length, ended], [18, 'rounds'])
})

void test('each run is told before it begins', async (t) => {
  const states: unknown[] = []
  const { options } = new Machine()
  await runRounds({
    ...options,
    rounds: 2,
    progress: ({ round, runs, runsOfRound, beginMs }) =>
      states.push([round, runs.length, runsOfRound, beginMs]),
  })
  t.same(states, [
    [1, 0, 2, 0],
    [1, 0, 2, 0],
    [2, 2, 2, 0],
    [2, 2, 2, 0],
  ])
})

const part = (ended: Ended): Rounds => ({ runs: [], repeatedRounds: 0, ended })

void test('one scene without time decides how the bench has ended', async (t) => {
  t.equal(endOf([part('precise'), part('time'), part('precise')]), 'time')
  t.equal(endOf([part('precise'), part('precise')]), 'precise')
})

void test('steal is a share of all time', (t) => {
  const before = parseStat('cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 1 1 1\n')
  const after = parseStat('cpu  150 0 130 810 0 0 0 10 70 0\ncpu0 1 1 1 1\n')
  t.equal(stealShare(before, after), 0.1)
  t.equal(stealShare(after, after), 0)
  t.end()
})
