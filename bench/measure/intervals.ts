/** The ratio of two modes, with its 95 % interval, from figures of the same rounds. */

import { type Paired, pairedRatio, type RatioInterval } from '../../src/lib/paired-ratio.ts'

/**
 * A bench looks at its intervals several times, and stops at one that is narrow by luck more often than at one that is
 * wide by bad luck. That costs coverage. Intervals are this much wider on the scale of logarithms, which gives it back:
 * test/unit/bench/measure/stopping.test.ts measures it.
 */
const widening = 1.1

/** The 97.5 % quantiles of Student's t for 1 to 4 degrees of freedom. */
const studentT = [12.706, 4.303, 3.182, 2.776]

/**
 * The typical ratio and its 95 % interval. Fewer than six pairs are too few for a bootstrap, so their interval is
 * Student's. A single pair has no interval: `low` and `high` are then the ratio itself. Undefined without pairs.
 */
export function ratioInterval(pairs: readonly Paired[]): RatioInterval | undefined {
  const ratio = pairedRatio(pairs) ?? fromFew(pairs)
  if (!ratio) return undefined
  const { median, low, high } = ratio
  const wider = (bound: number): number => median * (bound / median) ** widening
  return { median, low: wider(low), high: wider(high), pairs: ratio.pairs }
}

function fromFew(pairs: readonly Paired[]): RatioInterval | undefined {
  if (pairs.length === 0) return undefined
  const logs = pairs.map(({ on, off }) => Math.log(on / off))
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length
  const degrees = logs.length - 1
  const squares = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0)
  const error = degrees === 0 ? 0 : Math.sqrt(squares / degrees / logs.length)
  const half = error * (studentT[degrees - 1] ?? 0)
  return {
    median: Math.exp(mean),
    low: Math.exp(mean - half),
    high: Math.exp(mean + half),
    pairs: pairs.length,
  }
}

/** The ratio the other way round. */
export const inverse = ({ median, low, high, pairs }: RatioInterval): RatioInterval => ({
  median: 1 / median,
  low: 1 / high,
  high: 1 / low,
  pairs,
})

/** The meaning of a ratio of speeds. Nothing is sure without an interval, or if the interval contains 1. */
export type Outcome = 'faster' | 'slower' | 'not-sure'

export function outcomeOf({ low, high, pairs }: RatioInterval): Outcome {
  if (pairs < 2) return 'not-sure'
  return low > 1 ? 'faster' : high < 1 ? 'slower' : 'not-sure'
}
