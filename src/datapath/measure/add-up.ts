/** Adds up the kernel's pairs of client and server into measurements between groups of pods. */

import type { Histogram, Measurement } from '../datapath.ts'
import { histogramValues, measuredPathNames, roleNames } from '../generated-names.ts'
import type { MeasuredRecord, SizesRecord, TimesRecord } from './generated.ts'

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
    for (const [role, { sent, readDelays: delays }] of sums.directions.entries()) {
      for (const [index, path] of measuredPathNames.entries()) {
        const source = labels[role] ?? ''
        const destination = labels[1 - role] ?? ''
        const requests = roleNames[role] === 'client' ? sums.requests[index] : undefined
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

const timeBounds = bounds(histogramValues['time-buckets'], histogramValues['time-first-bits'], 1e9)
const sizeBounds = bounds(histogramValues['size-buckets'], histogramValues['size-first-bits'], 1)

const sizes = (record: SizesRecord | undefined, before: Histogram | undefined): Histogram =>
  histogram(sizeBounds, record?.buckets, Number(record?.sumBytes ?? 0n), before)

const times = (record: TimesRecord | undefined, before: Histogram | undefined): Histogram =>
  histogram(timeBounds, record?.buckets, Number(record?.sumNs ?? 0n) / 1e9, before)

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
