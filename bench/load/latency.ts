import { percentile } from '../measure/statistics.ts'

export interface Latency {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
}

/** Points of a distribution: this share of requests took at most so many microseconds. */
export type Distribution = readonly (readonly [share: number, us: number])[]

const shares = [
  0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999,
  0.9995, 0.9998, 0.9999,
]

/** Summarises latencies (us). Shows the tail only as far as there are enough requests. */
export function latencyOf(latencies: readonly number[]): {
  latencyUs: Latency
  latencyDistributionUs: Distribution
} {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number): number => percentile(sorted, share)
  const known = shares.filter((share) => (1 - share) * sorted.length >= 1)
  return {
    latencyUs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999) },
    latencyDistributionUs: known.map((share) => [share, at(share)] as const),
  }
}
