import type { Histogram, Measurement } from '../datapath/datapath.ts'
import type { LatencyView, PairLatencyView } from './views.ts'

/** Request latencies by both paths, for each pair. Returns at most `limit` pairs, those with the most requests. */
export function pairLatencies(
  measurements: readonly Measurement[],
  limit: number,
): PairLatencyView[] {
  const pairs = new Map<string, PairLatencyView & { readonly requests: number }>()
  for (const { source, destination, path, requestSeconds } of measurements) {
    if (requestSeconds.count === 0) continue
    const key = JSON.stringify([source, destination])
    const { requests = 0, ...known } = pairs.get(key) ?? { source, destination }
    pairs.set(key, {
      ...known,
      [path]: latencyOf(requestSeconds),
      requests: requests + requestSeconds.count,
    })
  }
  return [...pairs.values()]
    .toSorted((one, other) => other.requests - one.requests)
    .slice(0, limit)
    .map(({ requests: _, ...pair }) => pair)
}

function latencyOf(histogram: Histogram): LatencyView {
  return {
    requests: BigInt(histogram.count),
    meanUs: (histogram.sum / histogram.count) * 1e6,
    medianUs: quantile(histogram, 0.5) * 1e6,
    p99Us: quantile(histogram, 0.99) * 1e6,
  }
}

/**
 * Estimates a quantile as Prometheus does: values are spread evenly within a bucket. In the last bucket the result is
 * its lower bound.
 */
export function quantile({ bounds, counts, count }: Omit<Histogram, 'sum'>, share: number): number {
  const rank = share * count
  let below = 0
  for (const [index, inBucket] of counts.entries()) {
    if (below + inBucket < rank) {
      below += inBucket
      continue
    }
    const lower = bounds[index - 1] ?? 0
    const upper = bounds[index] ?? lower
    return lower + ((upper - lower) * (rank - below)) / inBucket
  }
  return 0
}
