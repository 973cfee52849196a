import type { Cell, Mode } from '../options.ts'
import { MeshaccelError } from '../../src/lib/errors.ts'
import type { Run } from '../report.ts'
import { shuffled } from './statistics.ts'
import { STEAL_LIMIT } from './steal.ts'
import { type Effort, type Ended, isLook } from './stopping.ts'

const TRIES = 3

export interface RoundsOptions extends Effort {
  readonly cells: readonly Cell[]
  readonly modes: readonly Mode[]
  /** On the clock of `now`: no run begins that would end after it, as far as is known. */
  readonly deadlineMs: number
  /** Aborted at the deadline: a run that fails then was cut off. */
  readonly timeUp?: AbortSignal
  readonly measure: (cell: Cell, mode: Mode, round: number) => Promise<Run>
  /** Whether the asked ratios of a cell are precise enough, by its runs. */
  readonly isPrecise: (runs: readonly Run[], precision: number) => boolean
  readonly say: (text: string) => void
  /** Called before each run. */
  readonly progress?: (state: RoundsState) => void
  readonly now?: () => number
}

/** The state of the rounds before a run. */
export interface RoundsState {
  readonly cell: Cell
  readonly mode: Mode
  readonly round: number
  /** The complete runs so far, and how many a complete round has. */
  readonly runs: readonly Run[]
  readonly runsOfRound: number
  /** The begin of the rounds, on the clock of `now`. */
  readonly beginMs: number
}

export interface Rounds {
  readonly runs: readonly Run[]
  readonly repeatedRounds: number
  readonly ended: Ended
}

/**
 * Measures every mode of every cell once per round. The order changes each time, because it biases the results. A round
 * with much steal time is repeated. After three tries the best one counts. A cell that is precise enough takes no part in
 * later rounds. A round of a cell that the deadline cuts off does not count. Throws TIME_LIMIT if no round is complete.
 */
export async function runRounds(options: RoundsOptions): Promise<Rounds> {
  const { cells, rounds = Infinity, isPrecise, precision, say } = options
  const all = new Measuring(options)
  let open = cells
  for (let round = 1; round <= rounds; round += 1) {
    for (const cell of open) {
      if (await all.measure(cell, round)) continue
      const whole = all.runs.length > 0
      if (!whole) throw tooShort()
      say(`the time is up in round ${round}`)
      return all.result('time')
    }
    if (options.rounds !== undefined || !isLook(round)) continue
    open = open.filter((cell) => !isPrecise(all.of(cell), precision))
    if (open.length === 0) return all.result('precise')
  }
  return all.result('rounds')
}

/** The runs of all rounds so far. */
class Measuring {
  readonly runs: Run[] = []
  readonly #options: RoundsOptions
  readonly #now: () => number
  readonly #ofCell = new Map<Cell, Run[]>()
  readonly #beginMs: number
  #repeatedRounds = 0
  #measuredMs = 0
  #measured = 0

  constructor(options: RoundsOptions) {
    this.#options = options
    this.#now = options.now ?? ((): number => performance.now())
    this.#beginMs = this.#now()
  }

  of(cell: Cell): readonly Run[] {
    return this.#ofCell.get(cell) ?? []
  }

  result(ended: Ended): Rounds {
    return { runs: this.runs, repeatedRounds: this.#repeatedRounds, ended }
  }

  /** Measures all modes of a cell, again if much time was stolen. Resolves to false if there is no time for it. */
  async measure(cell: Cell, round: number): Promise<boolean> {
    const { modes, say } = this.#options
    let best: readonly Run[] | undefined
    let least = Infinity
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const runs = await this.#once(cell, round)
      if (!runs) break
      if (tries > 1) this.#repeatedRounds += 1
      const steal = Math.max(...runs.map(({ stealShare }) => stealShare ?? 0))
      if (steal < least) [best, least] = [runs, steal]
      if (steal <= STEAL_LIMIT || !this.#hasTimeFor(modes.length)) break
      if (tries < TRIES) {
        say(`the hypervisor took ${(steal * 100).toFixed(1)} % of the time: repeating the round`)
      }
    }
    if (!best) return false
    this.runs.push(...best)
    this.#ofCell.set(cell, [...this.of(cell), ...best])
    return true
  }

  /** Undefined if the deadline cuts it off. */
  async #once(cell: Cell, round: number): Promise<Run[] | undefined> {
    const { modes, cells, measure, progress, timeUp } = this.#options
    const runs: Run[] = []
    for (const mode of shuffled(modes)) {
      if (!this.#hasTimeFor(1)) return undefined
      const begin = this.#now()
      progress?.({
        cell,
        mode,
        round,
        runs: this.runs,
        runsOfRound: cells.length * modes.length,
        beginMs: this.#beginMs,
      })
      try {
        runs.push(await measure(cell, mode, round))
      } catch (error) {
        if (timeUp?.aborted) return undefined
        throw error
      }
      this.#measuredMs += this.#now() - begin
      this.#measured += 1
    }
    return runs
  }

  /** By the mean of the runs so far. `timeUp` cuts a longer one off. */
  #hasTimeFor(runs: number): boolean {
    const meanMs = this.#measured === 0 ? 0 : this.#measuredMs / this.#measured
    return this.#now() + runs * meanMs <= this.#options.deadlineMs
  }
}

/** TIME_LIMIT */
export const tooShort = (): MeshaccelError =>
  new MeshaccelError('the time is up before the first round is complete', {
    code: 'TIME_LIMIT',
    operation: 'measure every mode once',
    hint: 'Give a longer --time-limit, fewer --modes, or a shorter --duration.',
  })

/** How a bench of several scenes has ended: for lack of time, if one of them did. */
export function endOf(parts: readonly Rounds[]): Ended {
  const ends = parts.map(({ ended }) => ended)
  return ends.find((end) => end === 'time') ?? ends[0] ?? 'rounds'
}
