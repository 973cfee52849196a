import { test } from 'tap'
import { pairLatencies } from '../../../src/api/latencies.ts'
import type { Histogram, Measurement } from '../../../src/datapath/datapath.ts'

const empty: Histogram = { bounds: [1], counts: [0, 0], count: 0, sum: 0 }

const measurement = (
  destination: string,
  path: Measurement['path'],
  requestSeconds: Histogram,
): Measurement => ({
  source: 'shop',
  destination,
  path,
  requestSeconds,
  messageBytes: empty,
  readDelaySeconds: empty,
})

const requests = (...counts: number[]): Histogram => ({
  bounds: [0.001, 0.002, 0.004],
  counts,
  count: counts.reduce((sum, count) => sum + count, 0),
  sum: 0.5,
})

void test('both paths of a pair stand side by side, the pairs with the most requests first', async (t) => {
  const found = pairLatencies(
    [
      measurement('few', 'tcp', requests(0, 1, 0, 0)),
      measurement('web', 'tcp', requests(50, 50, 0, 0)),
      measurement('web', 'redirect', requests(0, 0, 90, 10)),
      measurement('nobody', 'tcp', empty),
    ],
    10,
  )
  t.strictSame(found, [
    {
      source: 'shop',
      destination: 'web',
      tcp: { requests: 100n, meanUs: 5000, medianUs: 1000, p99Us: 1980 },
      // Beyond the last bound only that bound is known.
      redirect: { requests: 100n, meanUs: 5000, medianUs: 2000 + (2000 * 50) / 90, p99Us: 4000 },
    },
    {
      source: 'shop',
      destination: 'few',
      tcp: { requests: 1n, meanUs: 500_000, medianUs: 1500, p99Us: 1990 },
    },
  ])
})

void test('no more pairs than are asked for', async (t) => {
  const many = Array.from({ length: 5 }, (_, index) =>
    measurement(`web-${index}`, 'tcp', requests(index + 1, 0, 0, 0)),
  )
  t.strictSame(
    pairLatencies(many, 2).map(({ destination }) => destination),
    ['web-4', 'web-3'],
  )
})
