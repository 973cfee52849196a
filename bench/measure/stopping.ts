/** When a bench has measured enough. */

import { fewestPairs, type RatioInterval } from '../../src/lib/paired-ratio.ts'

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
    (ratio) =>
      ratio === undefined || (ratio.pairs >= fewestPairs && widthOf(ratio) < precision),
  )
}

/** The width of an interval as a share of its ratio. */
export const widthOf = ({ median, low, high }: RatioInterval): number => (high - low) / median
