import { sameCell } from '../comparisons.ts'
import type { Cell, Mode } from '../options.ts'
import type { Run } from '../report.ts'
import { spread, type Spread } from './statistics.ts'

/**
 * How far a mode is on the way from iptables to Unix sockets, which no sidecar can beat: the share of the time per
 * request between the two that it removes. Undefined where Unix sockets were not measured or are not faster.
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
