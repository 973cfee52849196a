/** The progress of a bench. */

import type { Step } from '../src/lib/progress.ts'
import { sameCell, speedOf } from './comparisons.ts'
import type { RoundsState } from './measure/rounds.ts'
import { type Cell, describeCell } from './options.ts'
import { range } from './report/text.ts'

/** The set-up of a scene. */
export const beginning = ([first]: readonly Cell[]): Step => ({
  what: `setting up ${first?.scenario ?? 'the pods'}`,
})

/**
 * The run that begins now. A number of rounds tells how much is done. Otherwise the bench may end earlier than its
 * deadline, which is on the clock of `now`.
 */
export function progressOf(
  { cell, mode, round, runs, runsOfRound, beginMs }: RoundsState,
  rounds: number | undefined,
  deadlineMs: number,
  now: number = performance.now(),
): Step {
  const ofCell = runs.filter((run) => sameCell(run, cell))
  const ratio = speedOf(ofCell, 'meshaccel', 'iptables')
  const took = now - beginMs
  const limitMs = Number.isFinite(deadlineMs) ? deadlineMs - now : undefined
  const share =
    rounds === undefined ? took / (deadlineMs - beginMs) : runs.length / (runsOfRound * rounds)
  const restMs = rounds === undefined || share === 0 ? undefined : (took * (1 - share)) / share
  const leftMs =
    restMs === undefined || limitMs === undefined ? (restMs ?? limitMs) : Math.min(restMs, limitMs)
  return {
    what: `round ${round}${rounds === undefined ? '' : ` of ${rounds}`}, ${describeCell(cell)}, ${mode}`,
    share,
    ...(leftMs === undefined ? {} : { leftMs }),
    atMost: restMs === undefined,
    ...(ratio ? { figures: `meshaccel ${ratio.median.toFixed(2)}x ${range(ratio)}` } : {}),
  }
}
