import type { StatusView } from '../../src/api/views.ts'
import type { Histogram, Measurement } from '../../src/datapath/datapath.ts'
import { reasonNames } from '../../src/datapath/generated-names.ts'

/** The status of an agent with a non-zero value everywhere. */
export const sampleStatus: StatusView = {
  state: 'accelerating',
  policy: 'strict',
  kernel: '6.18.0',
  version: '1.0.0',
  pods: { seen: 1, enrolled: 1 },
  connections: { now: 3, watched: 1, joined: 2, engaged: 1, plain: 1, mixed: 1 },
  totals: { redirectedBytes: 1n, redirectedMessages: 1n, tcpBytes: 1n, tcpMessages: 1n },
  selfTest: { 'late-join': true, splice: false },
  unreadBytes: 1n,
  reasons: Object.fromEntries(reasonNames.slice(1).map((reason) => [reason, 1n])),
  source: { name: 'kubernetes', synced: true },
  heldPods: ['shop/cart'],
  guarded: [
    {
      namespace: 'shop',
      limitPercent: 10,
      pairs: 15,
      p99Ratio: 1.5,
      p99AtLeast: 1.25,
      heldSince: '2026-11-30T10:00:00.000Z',
    },
  ],
}

const histogram = (...bounds: number[]): Histogram => ({
  bounds,
  counts: [...bounds.map(() => 1), 2],
  count: bounds.length + 2,
  sum: 2.5,
})

/** Labels as the agent sets them: `namespace`, or `namespace/pod`. */
export const sampleMeasurement = (source: string, destination: string): Measurement => ({
  source,
  destination,
  path: 'redirect',
  messageBytes: histogram(64, 128),
  requestSeconds: histogram(0.001, 0.002),
  readDelaySeconds: histogram(0.001),
})
