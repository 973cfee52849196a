import { test } from 'tap'
import type { FlowView } from '../../../../src/api/views.ts'
import { FlowMeter, podRates } from '../../../../src/cli/output/rates.ts'

function flow(identity: string, bytes: bigint, changes: Partial<FlowView> = {}): FlowView {
  return {
    identity,
    state: 'joined',
    ageMs: 10_000n,
    client: { pod: 'shop/cart', address: '10.0.0.1:1' },
    server: { pod: 'shop/stock', address: '10.0.0.2:80' },
    directions: [
      { from: 'client', path: 'redirect', redirectedBytes: bytes, tcpBytes: 0n, unreadBytes: 0n },
      {
        from: 'server',
        path: 'tcp',
        reason: 'stream',
        redirectedBytes: 0n,
        tcpBytes: 10n,
        unreadBytes: 0n,
      },
    ],
    ...changes,
  }
}

void test('a rate is what has moved since the last look', async (t) => {
  const meter = new FlowMeter()
  t.match(meter.look([flow('a', 5000n)], 1000), [{ redirected: 500, tcp: 1 }], 'since it began')
  t.match(
    meter.look([flow('a', 6000n), flow('b', 300n)], 3000),
    [
      { redirected: 500, tcp: 0 },
      { redirected: 150, tcp: 5 },
    ],
    'all of one that is new',
  )
  t.match(meter.look([flow('a', 20n)], 4000), [{ redirected: 20 }], 'another one by that name')
  t.match(meter.look([flow('b', 300n)], 5000), [{ redirected: 300 }], 'one that was away is new')
})

void test('a connection counts for both its pods, and once within one', async (t) => {
  const inside = { pod: 'shop/cart', address: '127.0.0.1:1' }
  const { server: _, ...remote } = flow('c', 1000n)
  const rates = new FlowMeter().look(
    [flow('a', 1000n), flow('b', 1000n, { client: inside, server: inside }), remote],
    0,
  )
  t.strictSame(podRates(rates), [
    { pod: 'shop/cart', connections: 3, engaged: 3, redirected: 300, tcp: 3, reason: 'stream' },
    { pod: 'shop/stock', connections: 1, engaged: 1, redirected: 100, tcp: 1, reason: 'stream' },
  ])
})
