import type { Cell, Mode } from './options.ts'
import type { Comparison, Run } from './report.ts'
import { spread, type Spread } from './measure/statistics.ts'

/** Compares every mode with every other within each round: the machine changes from round to round. */
export function compare(runs: readonly Run[]): Comparison[] {
  return cells(runs).flatMap((cell) => {
    const ofCell = runs.filter((run) => sameCell(run, cell))
    const modes = [...new Set(ofCell.map(({ mode }) => mode))]
    return modes.flatMap((mode) =>
      modes
        .filter((baseline) => baseline !== mode)
        .map((baseline) => {
          const rounds = pairs(ofCell, mode, baseline)
          const ratios: Record<string, Spread | undefined> = {
            qpsRatio: ratio(rounds, ({ qps }) => qps),
            gbpsRatio: ratio(rounds, ({ gbps }) => gbps),
            p50Ratio: ratio(rounds, ({ latencyUs }) => latencyUs?.p50),
            p99Ratio: ratio(rounds, ({ latencyUs }) => latencyUs?.p99),
            cpuRatio: ratio(rounds, ({ cpuUsPerRequest }) => cpuUsPerRequest),
            openP50Ratio: ratio(rounds, ({ openLoop }) => openLoop?.latencyUs.p50),
            openP99Ratio: ratio(rounds, ({ openLoop }) => openLoop?.latencyUs.p99),
          }
          const known = Object.entries(ratios).filter(([, value]) => value !== undefined)
          return { ...cell, mode, baseline, ...Object.fromEntries(known) }
        }),
    )
  })
}

type Pair = readonly [mine: Run, theirs: Run]

/** Pairs the runs of two modes in the same round. */
const pairs = (runs: readonly Run[], mode: Mode, baseline: Mode): Pair[] =>
  runs
    .filter((run) => run.mode === mode)
    .flatMap((mine) => {
      const theirs = runs.find((run) => run.mode === baseline && run.round === mine.round)
      return theirs ? [[mine, theirs] as const] : []
    })

const ratio = (
  rounds: readonly Pair[],
  figure: (run: Run) => number | undefined,
): Spread | undefined =>
  spread(
    rounds.flatMap((pair) => {
      const [mine, theirs] = pair.map(figure)
      return mine === undefined || theirs === undefined ? [] : [mine / theirs]
    }),
  )

/** The measured cells, in the order of their first run. */
export function cells(runs: readonly Run[]): Cell[] {
  return runs
    .filter((run, index) => runs.findIndex((other) => sameCell(other, run)) === index)
    .map(({ scenario, payloadBytes, connections, redirect }) => ({
      scenario,
      payloadBytes,
      connections,
      redirect,
    }))
}

export const sameCell = (a: Cell, b: Cell): boolean =>
  a.scenario === b.scenario &&
  a.payloadBytes === b.payloadBytes &&
  a.connections === b.connections &&
  a.redirect === b.redirect

/** The speed ratio: of requests, or of a stream's bits. */
export const speedRatio = ({ qpsRatio, gbpsRatio }: Comparison): Spread | undefined =>
  qpsRatio ?? gbpsRatio
