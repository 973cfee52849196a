import { mock } from 'node:test'
import { test } from 'tap'
import { FlowsOfPair, PairTally, PairMeter } from '../../../src/api/pod-pairs.ts'
import type { HopView } from '../../../src/api/views.ts'
import type { Flow, FlowEnd } from '../../../src/datapath/datapath.ts'
import type { SeenPod } from '../../../src/reconcile/desired.ts'

const seen: readonly SeenPod[] = ['cart', 'stock'].map((name, index) => ({
  namespace: 'shop',
  name,
  enrolled: true,
  netnsCookie: BigInt(index + 1),
  ips: [],
}))
const cart = 'shop/cart'
const stock = 'shop/stock'

function end(cookie: number | undefined): FlowEnd | undefined {
  return cookie === undefined
    ? undefined
    : {
        netnsCookie: BigInt(cookie),
        address: '10.0.0.1:1',
        proven: true,
        turns: 0,
        ackedBytes: 0n,
        readerPid: 0,
        readerComm: '',
      }
}

/** `fast` and `tcp` are what each direction carries. */
function flow(
  identity: string,
  from: number | undefined,
  to: number | undefined,
  { fast = 0, tcp = 0, reason }: { fast?: number; tcp?: number; reason?: string } = {},
): Flow {
  const [client, server] = [end(from), end(to)]
  const direction: Flow['clientToServer'] = {
    path: reason === undefined ? 'redirect' : 'tcp',
    ...(reason === undefined ? {} : { reason }),
    redirectedBytes: BigInt(fast),
    tcpBytes: BigInt(tcp),
    unreadBytes: 2,
  }
  return {
    identity,
    ageMs: 1,
    state: 'joined',
    ...(client && { client }),
    ...(server && { server }),
    clientToServer: direction,
    serverToClient: direction,
  }
}

function look(meter: PairMeter, flows: readonly Flow[]): HopView[] {
  const tally = new PairTally(seen)
  for (const each of flows) tally.add(each)
  return meter.pairsOf(tally)
}

void test('adds the connections of each pair of pods up, the most bytes first', async (t) => {
  const flows = [
    flow('1', 1, 2, { fast: 10, tcp: 1 }),
    flow('2', 1, 2, { tcp: 3, reason: 'stream' }),
    flow('3', 2, 1, { fast: 100 }),
    flow('4', 1, 1, { fast: 5 }),
    flow('5', undefined, 1, { reason: 'remote-peer' }),
    flow('6', 99, 1, { reason: 'short' }),
  ]
  const none = { reasons: {}, plain: 0, tcpBytes: 0n }
  t.strictSame(look(new PairMeter(), flows), [
    {
      ...none,
      ends: { client: stock, server: cart },
      engaged: 1,
      redirectedBytes: 200n,
      unreadBytes: 4n,
    },
    {
      ends: { client: cart, server: stock },
      engaged: 1,
      plain: 1,
      reasons: { stream: 1 },
      redirectedBytes: 20n,
      tcpBytes: 8n,
      unreadBytes: 8n,
    },
    {
      ...none,
      ends: { client: cart, server: cart },
      engaged: 1,
      redirectedBytes: 10n,
      unreadBytes: 4n,
    },
    ...[
      { ends: { server: cart }, reasons: { 'remote-peer': 1 } },
      { ends: { client: '', server: cart }, reasons: { short: 1 } },
    ].map((hop) => ({
      ...hop,
      engaged: 0,
      plain: 1,
      redirectedBytes: 0n,
      tcpBytes: 0n,
      unreadBytes: 4n,
    })),
  ])
})

void test('a connection with one direction redirected is engaged', async (t) => {
  const half = flow('1', 1, 2)
  const tcp: Flow['serverToClient'] = { ...half.serverToClient, path: 'tcp', reason: 'undrained' }
  t.match(look(new PairMeter(), [{ ...half, serverToClient: tcp }]), [
    { engaged: 1, plain: 0, reasons: {} },
  ])
})

void test('bytes stay when their connection closes, as long as somebody looks', async (t) => {
  const meter = new PairMeter()
  const bytes = (flows: readonly Flow[]): (bigint | undefined)[] => {
    const hops = look(meter, flows)
    return [hops[0]?.redirectedBytes, hops[0]?.tcpBytes]
  }
  const kept = (fast: number): Flow => flow('1', 1, 2, { fast, tcp: 1 })
  t.strictSame(bytes([kept(10), flow('2', 1, 2, { fast: 30, tcp: 3 })]), [80n, 8n])
  t.strictSame(bytes([kept(20)]), [100n, 8n], 'closed')
  t.strictSame(bytes([kept(21)]), [102n, 8n], 'and still')
  t.strictSame(bytes([]), [102n, 8n], 'the last one closed: what it carried to the end')
  t.strictSame(bytes([]), [undefined, undefined], 'then the hop is gone')
})

void test('what closed connections carried is forgotten when nobody looks', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const meter = new PairMeter()
  look(meter, [flow('1', 1, 2, { fast: 10 }), flow('2', 1, 2, { fast: 30 })])
  mock.timers.tick(9_999)
  t.match(look(meter, [flow('1', 1, 2, { fast: 10 })]), [{ redirectedBytes: 80n }])
  mock.timers.tick(10_000)
  t.match(look(meter, [flow('1', 1, 2, { fast: 10 })]), [{ redirectedBytes: 20n }])
})

void test('the connections of one hop: those with the most bytes, so many', async (t) => {
  const flows = [
    flow('1', 1, 2, { fast: 1 }),
    flow('2', 1, 2, { tcp: 5 }),
    flow('3', 1, 2, { fast: 3 }),
    flow('4', 2, 1, { fast: 9 }),
    flow('5', 1, undefined, { tcp: 9 }),
    flow('6', 1, 99, { tcp: 9 }),
  ]
  const ids = (ends: object): string[] => {
    const found = new FlowsOfPair(seen, ends, 2)
    // Repeated, with few bytes. The class need not remember all of them.
    const [small] = flows
    for (const each of flows) found.add(each)
    if (small) for (let i = 0; i < 100; i += 1) found.add({ ...small, identity: 'small' })
    return found.flows().map(({ identity }) => identity)
  }
  t.strictSame(ids({ client: cart, server: stock }), ['2', '3'])
  t.strictSame(ids({ client: cart }), ['5'], 'an end that is absent is not any end')
  t.strictSame(ids({ client: cart, server: '' }), ['6'])
  t.strictSame(ids({}), [])
})
