import { sameCell } from '../comparisons.ts'
import type { Cell, Mode } from '../options.ts'
import type { Run } from '../report.ts'
import { spread, type Spread } from './statistics.ts'

/**
 * How far a mode gets from iptables to Unix sockets, which no sidecar can beat. It is the share of the difference in
 * time per request that the mode removes. Undefined if Unix sockets were not measured or are not faster.
 */
export function removedShare(runs: readonly Run[], cell: Cell, mode: Mode): Spread | undefined {
  const time = (wanted: Mode, round: number): number | undefined => {
    const run = runs.find(
      (each) => each.mode === wanted && each.round === round && sameCell(each, cell),
    )
    const speed = run?.qps ?? run?.gbps
    return speed === undefined ? undefined : 1 / speed
  }
  const rounds = runs.filter((run) => run.mode === mode && sameCell(run, cell))
  return spread(
    rounds.flatMap(({ round }) => {
      const [mine, most, least] = [time(mode, round), time('iptables', round), time('unix', round)]
      if (mine === undefined || most === undefined || least === undefined || least >= most)
        return []
      return [(most - mine) / (most - least)]
    }),
  )
}
