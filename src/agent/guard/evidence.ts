/**
 * The statistics of the guard: does acceleration make the slowest requests slower than a limit?
 *
 * Each pair of windows gives one ratio of p99: accelerated against TCP. A coin decides which window comes first. Suppose
 * that acceleration slows nothing by more than the limit. Then the logarithm of ratio / limit is as likely on either side
 * of 0, or it is below. So 1 + stake x tanh(rate x logarithm) has a mean of 1 at the most, whatever the noise is. Drift,
 * steps, autocorrelation and heavy tails are alike for both orders of the windows. No pair can double the evidence, and
 * none can take away all of it.
 *
 * The evidence adds up the products of these factors from every pair on (Shiryaev and Roberts). Its mean grows by 1 with
 * each pair at the most. So false alarms are at least `alarmAt` pairs apart on average, although the guard looks after
 * each pair. A slowdown that begins late is found as fast as one that was there at the start.
 */

/** Evidence that trips the guard. */
export const alarmAt = 10_000
/** Evidence that makes the guard look more often. How often it looks has no effect on false alarms. */
export const suspiciousAt = 20
/** The last pairs that count. To forget older ones only makes the guard more careful. */
export const keptPairs = 120
/** Pairs behind the ratio that people are told. */
const shownPairs = 15

/** A pair may count much or little: 1 / rate is the logarithm of a ratio that almost doubles the evidence. */
const rates = [2, 4, 8, 16, 32] as const
/** With a stake of 1, one outlier could take away all evidence. */
const stake = 0.9

/**
 * Evidence that the ratio is above `limit`. `ratios` are above 0, in the order of time. Grows with each ratio, and falls
 * with the limit. Pure.
 */
export function evidenceOf(ratios: readonly number[], limit: number): number {
  const logarithms = ratios.map((ratio) => Math.log(ratio / limit))
  let total = 0
  for (const rate of rates) {
    let sum = 0
    for (const one of logarithms) sum = (1 + sum) * (1 + stake * Math.tanh(rate * one))
    total += sum
  }
  return total / rates.length
}

/** The meaning of the ratios of a namespace. */
export interface Findings {
  /** The median of the last ratios. */
  readonly ratio: number
  /**
   * The lower end of the one-sided interval of the ratio: the largest limit that would trip. Absent if there are too few
   * pairs for any.
   */
  readonly atLeast?: number
  /** The whole interval is above the limit. */
  readonly trips: boolean
  readonly isSuspicious: boolean
}

/** `limit` is a ratio: 1.1 allows 10 % more. Undefined without ratios. Pure. */
export function findingsOf(ratios: readonly number[], limit: number): Findings | undefined {
  const last = ratios.slice(-shownPairs).toSorted((one, other) => one - other)
  const ratio = ((last[last.length >> 1] ?? 0) + (last[(last.length - 1) >> 1] ?? 0)) / 2
  if (ratio === 0) return undefined
  const evidence = evidenceOf(ratios, limit)
  const atLeast = lowerEnd(ratios)
  return {
    ratio,
    ...(atLeast === undefined ? {} : { atLeast }),
    trips: evidence >= alarmAt,
    isSuspicious: evidence >= suspiciousAt,
  }
}

/** Halves the logarithms of what is possible until the bounds are alike. */
function lowerEnd(ratios: readonly number[]): number | undefined {
  let low = -5
  let high = 5
  if (evidenceOf(ratios, Math.exp(low)) < alarmAt) return undefined
  for (let step = 0; step < 20; step += 1) {
    const middle = (low + high) / 2
    if (evidenceOf(ratios, Math.exp(middle)) >= alarmAt) low = middle
    else high = middle
  }
  return Math.exp(low)
}
