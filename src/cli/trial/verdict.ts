/** The meaning of the ratios of a trial. */

import { fewestPairs, type RatioInterval } from '../../lib/paired-ratio.ts'

export type Verdict = 'gains' | 'no-difference' | 'loses' | 'not-sure'

/** The figures that decide, and the relative difference of each that does not matter. The tail of latencies is noisy. */
export const decidingFigures = { p50: 0.03, p99: 0.15, cpu: 0.03 } as const

type Deciding = keyof typeof decidingFigures
const deciding: readonly Deciding[] = ['p50', 'p99', 'cpu']
/** Less is better for each. Absent: not measured, or too few pairs. */
export type DecidingRatios = Readonly<Partial<Record<Deciding, RatioInterval>>>

type Opinion = 'better' | 'same' | 'worse' | 'unsure'

/** The whole interval has to be on one side of what does not matter, or inside of it. */
export function opinionOf({ low, high }: RatioInterval, tolerance: number): Opinion {
  const [least, most] = [1 / (1 + tolerance), 1 + tolerance]
  if (high < least) return 'better'
  if (low > most) return 'worse'
  return low >= least && high <= most ? 'same' : 'unsure'
}

/**
 * One figure that is worse decides, because a user would notice. Otherwise one that is better decides. There is no
 * difference if each figure that was measured is the same. Pure.
 */
export function verdictOf(ratios: DecidingRatios): Verdict {
  const opinions = entries(ratios).map(([, ratio, tolerance]) => opinionOf(ratio, tolerance))
  if (opinions.includes('worse')) return 'loses'
  if (opinions.includes('better')) return 'gains'
  return opinions.length > 0 && opinions.every((one) => one === 'same')
    ? 'no-difference'
    : 'not-sure'
}

/**
 * Estimates how many pairs a verdict takes, if the rest is like the pairs so far: the interval narrows with their square
 * root. Undefined if no number that makes sense is enough.
 */
export function pairsNeeded(ratios: DecidingRatios): number | undefined {
  const known = entries(ratios)
  if (known.length === 0) return fewestPairs
  const needs = known.map(([, ratio, tolerance]) => {
    const half = Math.log(ratio.high / ratio.low) / 2
    const off = Math.abs(Math.log(ratio.median))
    const distance = Math.abs(off - Math.log(1 + tolerance))
    return {
      outside: off > Math.log(1 + tolerance),
      pairs: Math.max(ratio.pairs + 1, Math.ceil(ratio.pairs * (half / distance) ** 2 * 1.2)),
    }
  })
  // One figure outside is a verdict. A verdict of no difference takes all figures.
  const outside = needs.filter((need) => need.outside)
  const pairs =
    outside.length > 0
      ? Math.min(...outside.map((need) => need.pairs))
      : Math.max(...needs.map((need) => need.pairs))
  return pairs > mostPairs ? undefined : pairs
}

const mostPairs = 10_000

const entries = (ratios: DecidingRatios): (readonly [Deciding, RatioInterval, number])[] =>
  deciding.flatMap((name) => {
    const ratio = ratios[name]
    return ratio ? [[name, ratio, decidingFigures[name]] as const] : []
  })
