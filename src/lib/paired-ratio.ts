/** Statistics of paired windows: a ratio with its 95 % interval, and what it says. */

import { seededRandom } from './seeded-random.ts'

/** One figure in the two windows of a pair. Both are above 0. */
export interface Paired {
  readonly on: number
  readonly off: number
}

/** The typical ratio of `on` to `off`. `low` and `high` bound its 95 % interval. */
export interface RatioInterval {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly pairs: number
}

/** Fewer pairs say nothing: with five, one pair in 16 times all point the same way by chance. */
export const fewestPairs = 6

const resamples = 600
/** Neighbours of longer lists count as one value, their mean: the work grows with the square of the values. */
const mostValues = 30

/**
 * The ratio over all pairs. A step of the machine's speed spoils single pairs, so the ratio is a mean in which extreme
 * pairs count less. The interval is a bootstrap over pairs. Undefined for fewer than `fewestPairs`. The same input gives
 * the same result.
 */
export function pairedRatio(pairs: readonly Paired[], seed = 1): RatioInterval | undefined {
  if (pairs.length < fewestPairs) return undefined
  const logs = inBlocks(pairs.map(({ on, off }) => Math.log(on / off)))
  const centre = centreOf(logs)
  const random = seededRandom(seed)
  const centres = Array.from({ length: resamples }, () =>
    centreOf(logs.map(() => logs[Math.floor(random() * logs.length)] ?? 0)),
  ).toSorted((one, other) => one - other)
  // A resample of n values spreads less than n values do, and its tails are a normal distribution's.
  const wider = Math.sqrt(logs.length / (logs.length - 1)) * (studentT(logs.length - 1) / 1.96)
  const bound = (share: number): number => {
    const found = centres[Math.round(share * (resamples - 1))] ?? centre
    return Math.exp(centre + (found - centre) * wider)
  }
  return { median: Math.exp(centre), low: bound(0.025), high: bound(0.975), pairs: pairs.length }
}

function inBlocks(values: readonly number[]): number[] {
  const blocks = Math.min(values.length, mostValues)
  return Array.from({ length: blocks }, (_, index) => {
    const at = (block: number): number => Math.round((block * values.length) / blocks)
    const block = values.slice(at(index), at(index + 1))
    return block.reduce((sum, value) => sum + value, 0) / block.length
  })
}

/** The pseudomedian (Hodges and Lehmann): the median of the means of all pairs of values. */
function centreOf(values: readonly number[]): number {
  const means = new Float64Array((values.length * (values.length + 1)) / 2)
  let count = 0
  for (let one = 0; one < values.length; one += 1) {
    for (let other = one; other < values.length; other += 1) {
      means[count] = ((values[one] ?? 0) + (values[other] ?? 0)) / 2
      count += 1
    }
  }
  means.sort()
  const middle = count >> 1
  const upper = means[middle] ?? 0
  return count % 2 === 1 ? upper : (upper + (means[middle - 1] ?? upper)) / 2
}

/** The 97.5 % quantile of Student's t, by the expansion of Cornish and Fisher: exact to 1 % from 5 degrees on. */
function studentT(degrees: number): number {
  const z = 1.959964
  return (
    z +
    (z ** 3 + z) / (4 * degrees) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * degrees ** 3)
  )
}
