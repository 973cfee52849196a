/** The counts of one window of a trial. */

import { quantile } from '../../api/latencies.ts'
import type { TrialRequestsView } from '../../api/views.ts'
import type { TrialCounts } from '../../datapath/datapath.ts'

export interface WindowCounts {
  /** Requests of the pods' own programs, and of their sidecars. */
  readonly programs: TrialRequestsView
  readonly proxies: TrialRequestsView
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
}

const keyOf = ({ netnsCookie, isProxy }: TrialCounts): string => `${netnsCookie} ${isProxy}`

/** Subtracts an earlier reading from a later one. A pod that is not in both is left out. Pure. */
export function countsBetween(
  before: readonly TrialCounts[],
  after: readonly TrialCounts[],
): WindowCounts {
  const earlier = new Map(before.map((counts) => [keyOf(counts), counts]))
  const both = after.flatMap((last) => {
    const first = earlier.get(keyOf(last))
    return first ? [[first, last] as const] : []
  })
  const bytes = (name: 'redirectedBytes' | 'tcpBytes'): bigint =>
    both.reduce((sum, [first, last]) => sum + last[name] - first[name], 0n)
  const requests = (ofProxies: boolean): TrialRequestsView => {
    const pairs = both.filter(([, { isProxy }]) => isProxy === ofProxies)
    const bounds = pairs[0]?.[1].requestSeconds.bounds ?? []
    const counts = Array.from({ length: bounds.length + 1 }, (_, bucket) =>
      pairs.reduce(
        (sum, [first, last]) =>
          sum +
          (last.requestSeconds.counts[bucket] ?? 0) -
          (first.requestSeconds.counts[bucket] ?? 0),
        0,
      ),
    )
    const count = counts.reduce((sum, one) => sum + one, 0)
    const atUs = (share: number): number =>
      count === 0 ? 0 : quantile({ bounds, counts, count }, share) * 1e6
    return { count: BigInt(count), p50Us: atUs(0.5), p90Us: atUs(0.9), p99Us: atUs(0.99) }
  }
  return {
    programs: requests(false),
    proxies: requests(true),
    redirectedBytes: bytes('redirectedBytes'),
    tcpBytes: bytes('tcpBytes'),
  }
}
