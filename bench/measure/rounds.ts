import type { Cell, Mode } from '../options.ts'
import type { Run } from '../report.ts'
import { shuffled } from './statistics.ts'
import { STEAL_LIMIT } from './steal.ts'

const TRIES = 3

export interface RoundsOptions {
  readonly cells: readonly Cell[]
  readonly modes: readonly Mode[]
  readonly rounds: number
  /** The time limit: no round begins that would end after it. */
  readonly budgetMs?: number
  readonly measure: (cell: Cell, mode: Mode, round: number) => Promise<Run>
  readonly say: (text: string) => void
  readonly now?: () => number
}

export interface Rounds {
  readonly runs: readonly Run[]
  readonly repeatedRounds: number
}

/**
 * Measures every mode of every cell once per round. The order changes each time, because it biases the results. A round
 * with much steal time is repeated. After three tries the best one counts.
 */
export async function runRounds(options: RoundsOptions): Promise<Rounds> {
  const { cells, rounds, budgetMs = Infinity, now = () => performance.now(), say } = options
  const runs: Run[] = []
  let repeatedRounds = 0
  const begin = now()
  let longest = 0
  for (let round = 1; round <= rounds; round += 1) {
    const start = now()
    if (round > 1 && start - begin + longest > budgetMs) {
      say(`no time for more than ${round - 1} of ${rounds} rounds`)
      break
    }
    for (const cell of cells) {
      const { best, repeats } = await oneRound(options, cell, round, begin + budgetMs - longest)
      runs.push(...best)
      repeatedRounds += repeats
    }
    longest = Math.max(longest, now() - start)
  }
  return { runs, repeatedRounds }
}

async function oneRound(
  { modes, measure, say, now = () => performance.now() }: RoundsOptions,
  cell: Cell,
  round: number,
  lastStart: number,
): Promise<{ best: Run[]; repeats: number }> {
  let best: Run[] = []
  let least = Infinity
  for (let tries = 1; ; tries += 1) {
    const runs: Run[] = []
    for (const mode of shuffled(modes)) runs.push(await measure(cell, mode, round))
    const steal = Math.max(...runs.map(({ stealShare }) => stealShare ?? 0))
    if (steal < least) [best, least] = [runs, steal]
    if (steal <= STEAL_LIMIT || tries === TRIES || now() > lastStart) {
      return { best, repeats: tries - 1 }
    }
    say(`the hypervisor took ${(steal * 100).toFixed(1)} % of the time: repeating the round`)
  }
}
