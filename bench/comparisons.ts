import type { Cell } from './options.ts'
import type { Comparison, Run } from './report.ts'
import { spread, type Spread } from './statistics.ts'

/** Compares every mode with every other, within each round: what changes from round to round is the machine. */
export function compare(runs: readonly Run[]): Comparison[] {
  return cells(runs).flatMap((cell) => {
    const ofCell = runs.filter((run) => sameCell(run, cell))
    const modes = [...new Set(ofCell.map(({ mode }) => mode))]
    return modes.flatMap((mode) =>
      modes
        .filter((baseline) => baseline !== mode)
        .map((baseline) => {
          const ratio = (figure: (run: Run) => number | undefined): Spread | undefined =>
            spread(
              ofCell
                .filter((run) => run.mode === mode)
                .flatMap((run) => {
                  const other = ofCell.find(
                    ({ mode: otherMode, round }) => otherMode === baseline && round === run.round,
                  )
                  const [mine, theirs] = [figure(run), other && figure(other)]
                  return mine === undefined || theirs === undefined ? [] : [mine / theirs]
                }),
            )
          return {
            ...cell,
            mode,
            baseline,
            ...defined(
              'qpsRatio',
              ratio(({ qps }) => qps),
            ),
            ...defined(
              'gbpsRatio',
              ratio(({ gbps }) => gbps),
            ),
            ...defined(
              'p50Ratio',
              ratio(({ latencyUs }) => latencyUs?.p50),
            ),
            ...defined(
              'p99Ratio',
              ratio(({ latencyUs }) => latencyUs?.p99),
            ),
            ...defined(
              'cpuRatio',
              ratio(({ cpuUsPerRequest }) => cpuUsPerRequest),
            ),
          }
        }),
    )
  })
}

/** The cells that were measured, in the order of their first run. */
export function cells(runs: readonly Run[]): Cell[] {
  return runs
    .filter((run, index) => runs.findIndex((other) => sameCell(other, run)) === index)
    .map(({ scenario, payloadBytes, connections }) => ({ scenario, payloadBytes, connections }))
}

export const sameCell = (a: Cell, b: Cell): boolean =>
  a.scenario === b.scenario && a.payloadBytes === b.payloadBytes && a.connections === b.connections

/** The ratio that says how much faster: of requests, or of a stream's bits. */
export const speedRatio = ({ qpsRatio, gbpsRatio }: Comparison): Spread | undefined =>
  qpsRatio ?? gbpsRatio

const defined = <K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> =>
  value === undefined ? {} : ({ [key]: value } as Record<K, V>)
