/** When a bench has measured enough. */

import { fewestPairs, type RatioInterval } from '../../src/lib/paired-ratio.ts'

/** How long a bench goes on. */
export interface Effort {
  /** The exact number of rounds. Without it they go on until each asked ratio is precise. */
  readonly rounds?: number
  /** The width of a 95 % interval, as a share of its ratio, that is narrow enough. */
  readonly precision: number
  /** All of it takes less: set-up, rounds and removal. */
  readonly timeLimitMs?: number
}

/** The reason why no more rounds were made: their number was given, all was precise, or the time was up. */
export type Ended = 'rounds' | 'precise' | 'time'

/**
 * Whether a bench looks at its intervals after so many rounds: after 6, 8, 11, 15, 20, 27 and so on. Each look is one
 * more chance to stop by luck, so their number grows only with the logarithm of the rounds.
 */
export function isLook(rounds: number): boolean {
  let look = fewestPairs
  while (look < rounds) look = Math.ceil((look * 4) / 3)
  return look === rounds
}

/**
 * Whether each interval is narrower than `precision`, a share of its ratio such as 0.03. An undefined ratio has not been
 * measured and asks for nothing. One with too few pairs for a bootstrap does.
 */
export function arePrecise(
  ratios: readonly (RatioInterval | undefined)[],
  precision: number,
): boolean {
  return ratios.every(
    (ratio) => ratio === undefined || (ratio.pairs >= fewestPairs && widthOf(ratio) < precision),
  )
}

/** The width of an interval as a share of its ratio. */
export const widthOf = ({ median, low, high }: RatioInterval): number => (high - low) / median
