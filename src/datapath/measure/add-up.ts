/** Adds up the kernel's pairs of client and server into measurements between groups of pods. */

import type { Histogram, Measurement } from '../datapath.ts'
import {
  type MeasuredRecord,
  measuredPaths,
  SIZE_BUCKETS,
  SIZE_FIRST_BITS,
  TIME_BUCKETS,
  TIME_FIRST_BITS,
} from './layout.ts'

export interface MeasuredPair {
  /** The group numbers of client and server. */
  readonly groups: readonly number[]
  readonly sums: MeasuredRecord
}

/** Returns one measurement for each pair of labels and path that carried any traffic. */
export function addUp(
  pairs: readonly MeasuredPair[],
  labelOf: (group: number) => string,
): Measurement[] {
  const found = new Map<string, Measurement>()
  for (const { groups, sums } of pairs) {
    const labels = groups.map(labelOf)
    for (const [role, { sent, read_delays: delays }] of sums.directions.entries()) {
      for (const [index, path] of measuredPaths.entries()) {
        const source = labels[role] ?? ''
        const destination = labels[1 - role] ?? ''
        const requests = role === 0 ? sums.requests[index] : undefined
        const key = JSON.stringify([source, destination, path])
        const before = found.get(key)
        found.set(key, {
          source,
          destination,
          path,
          messageBytes: sizes(sent[index], before?.messageBytes),
          requestSeconds: times(requests, before?.requestSeconds),
          readDelaySeconds: times(delays[index], before?.readDelaySeconds),
        })
      }
    }
  }
  return [...found.values()].filter(
    ({ messageBytes, readDelaySeconds }) => messageBytes.count > 0 || readDelaySeconds.count > 0,
  )
}

/** The upper bounds of all buckets except the last, which has none. */
const bounds = (buckets: number, firstBits: number, unit: number): readonly number[] =>
  Array.from({ length: buckets - 1 }, (_, index) => 2 ** (firstBits + index) / unit)

const timeBounds = bounds(TIME_BUCKETS, TIME_FIRST_BITS, 1e9)
const sizeBounds = bounds(SIZE_BUCKETS, SIZE_FIRST_BITS, 1)

const sizes = (
  record: MeasuredRecord['directions'][0]['sent'][0] | undefined,
  before: Histogram | undefined,
): Histogram => histogram(sizeBounds, record?.buckets, Number(record?.sum_bytes ?? 0n), before)

const times = (
  record: MeasuredRecord['requests'][0] | undefined,
  before: Histogram | undefined,
): Histogram => histogram(timeBounds, record?.buckets, Number(record?.sum_ns ?? 0n) / 1e9, before)

function histogram(
  bucketBounds: readonly number[],
  buckets: readonly bigint[] = [],
  sum: number,
  before?: Histogram,
): Histogram {
  const counts = [...bucketBounds, Infinity].map(
    (_, index) => Number(buckets[index] ?? 0n) + (before?.counts[index] ?? 0),
  )
  return {
    bounds: bucketBounds,
    counts,
    count: counts.reduce((total, count) => total + count, 0),
    sum: sum + (before?.sum ?? 0),
  }
}
