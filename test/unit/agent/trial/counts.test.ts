import { test } from 'tap'
import { countsBetween } from '../../../../src/agent/trial/counts.ts'
import type { TrialCounts } from '../../../../src/datapath/datapath.ts'

const bounds = [0.001, 0.002]
const counts = (
  netnsCookie: bigint,
  isProxy: boolean,
  buckets: number[],
  bytes: bigint,
): TrialCounts => ({
  netnsCookie,
  isProxy,
  redirectedBytes: bytes,
  tcpBytes: 2n * bytes,
  requestSeconds: {
    bounds,
    counts: buckets,
    count: buckets.reduce((sum, one) => sum + one, 0),
  },
})

void test('a window counts what came between two readings, for programs and proxies', async (t) => {
  const window = countsBetween(
    [counts(1n, false, [5, 0, 0], 10n), counts(1n, true, [1, 1, 1], 0n)],
    [counts(1n, false, [5, 10, 0], 30n), counts(1n, true, [1, 1, 1], 5n)],
  )
  t.match(window, { redirectedBytes: 25n, tcpBytes: 50n, proxies: { count: 0n, p50Us: 0 } })
  t.equal(window.programs.count, 10n)
  // Ten requests are spread evenly between 1 and 2 ms.
  t.ok(Math.abs(window.programs.p50Us - 1500) < 1e-6)
  t.ok(Math.abs(window.programs.p90Us - 1900) < 1e-6)
})

void test('a pod that comes or goes during the window is left out', async (t) => {
  const window = countsBetween(
    [counts(1n, false, [1, 0, 0], 1n)],
    [counts(2n, false, [9, 0, 0], 9n)],
  )
  t.match(window, { redirectedBytes: 0n, programs: { count: 0n } })
})
