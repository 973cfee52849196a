import { test } from 'tap'
import { AdviceTally, type WatchedPod } from '../../../../src/agent/advice/tally.ts'
import { parseAddress, reasonOf } from '../../../../src/agent/advice/connection.ts'
import type { NamespaceAdviceView } from '../../../../src/api/views.ts'
import type { Flow } from '../../../../src/datapath/datapath.ts'
import { flowBetween } from '../../../helpers/flows.ts'

const cart: WatchedPod = { pod: 'shop/cart', namespace: 'shop', netnsCookie: 1n }
const ledger: WatchedPod = { pod: 'bank/ledger', namespace: 'bank', netnsCookie: 2n }
const watched = new Map([cart, ledger].map((pod) => [pod.netnsCookie, pod]))
/** An enrolled pod. */
const enrolled = 3n

const tallyOf = (limit?: number): AdviceTally =>
  new AdviceTally({
    watched,
    podAt: (address) =>
      address === '192.0.2.1' ? { pod: 'shop/db', reason: 'no-mesh' } : undefined,
    ...(limit === undefined ? {} : { limit }),
  })

function look(tally: AdviceTally, elapsedMs: number, ...flows: Flow[]): void {
  tally.beginLook(elapsedMs)
  for (const flow of flows) tally.add(flow)
  tally.endLook()
}

function viewOf(tally: AdviceTally, namespace: string): NamespaceAdviceView {
  const view = tally.views(new Map([['shop', 5n]])).find((one) => one.namespace === namespace)
  if (!view) throw new Error(`there is no ${namespace}`)
  return view
}

/** A connection that only the rule of the advice keeps on TCP. */
function joinable(number: number, turns: number, tcpBytes: bigint, ageMs = 0): Flow {
  const flow = flowBetween(1n, 2n, { reason: 'excluded', tcpBytes }, number)
  const { client, server } = flow
  return {
    ...flow,
    ageMs,
    ...(client && { client: { ...client, turns } }),
    ...(server && { server: { ...server, turns: turns - 1 } }),
  }
}

void test('a connection that only the rule keeps on TCP would join', async (t) => {
  const tally = tallyOf()
  look(tally, 1000, joinable(1, 10, 100n))
  look(tally, 2000, joinable(1, 25, 350n))
  const sums = { connections: 1, bytes: 350n, turns: 25n }
  for (const namespace of ['shop', 'bank']) {
    t.match(viewOf(tally, namespace), {
      all: sums,
      bothHere: sums,
      wouldJoin: sums,
      wouldNot: {},
      readers: { proven: 1, unproven: {} },
      peers: [],
    })
  }
  t.equal(viewOf(tally, 'shop').opened, 5n)
  t.equal(viewOf(tally, 'bank').opened, 0n)
})

void test('bytes and turns from before the advice do not count', async (t) => {
  const tally = tallyOf()
  look(tally, 1000, joinable(1, 10, 100n, 60_000))
  look(tally, 2000, joinable(1, 12, 130n, 61_000))
  t.match(viewOf(tally, 'shop').wouldJoin, { connections: 1, bytes: 30n, turns: 2n })
  // The kernel begins again.
  look(tally, 3000, joinable(1, 4, 130n, 62_000))
  t.match(viewOf(tally, 'shop').wouldJoin, { connections: 1, bytes: 30n, turns: 6n })
})

void test('a connection that has closed stays in the sums, and its number may come again', async (t) => {
  const tally = tallyOf()
  look(tally, 1000, joinable(1, 10, 100n))
  look(tally, 2000)
  t.match(viewOf(tally, 'shop').wouldJoin, { connections: 1, bytes: 100n, turns: 10n })
  look(tally, 3000, joinable(1, 5, 50n))
  t.match(viewOf(tally, 'shop').wouldJoin, { connections: 2, bytes: 150n, turns: 15n })
  t.match(viewOf(tally, 'shop').readers, { proven: 2 })
})

void test('others are counted by reason, and a joinable one stays joinable', async (t) => {
  const tally = tallyOf()
  const closing = flowBetween(1n, 2n, { reason: 'state', tcpBytes: 100n }, 1)
  look(tally, 1000, joinable(1, 10, 100n), flowBetween(1n, enrolled, { reason: 'waitall' }, 2))
  look(tally, 2000, closing, flowBetween(1n, enrolled, { reason: 'blocking-reader' }, 2))
  const shop = viewOf(tally, 'shop')
  t.match(shop.wouldJoin, { connections: 1 })
  t.match(shop.wouldNot, { 'blocking-reader': { connections: 1 } })
  t.same(Object.keys(shop.wouldNot), ['blocking-reader'], 'the last reason counts')
  t.equal(shop.bothHere.connections, 2, 'an enrolled peer is here, too')
  t.equal(shop.readers.proven, 2, 'the reader of the enrolled pod is not its own')
  const foreign = flowBetween(enrolled, enrolled, { reason: 'short' }, 3)
  look(tally, 3000, foreign)
  t.equal(viewOf(tally, 'shop').all.connections, 2)
})

/** A connection of the first pod to another node. */
const away = (number: number, received: bigint, acked: bigint): Flow => {
  const flow = flowBetween(1n, undefined, { reason: 'remote-peer' }, number)
  const { client, serverToClient } = flow
  return {
    ...flow,
    ageMs: 0,
    ...(client && { client: { ...client, ackedBytes: acked } }),
    serverToClient: { ...serverToClient, tcpBytes: received },
  }
}

void test('peers that are not watched have an address, and a name if they are pods of this node', async (t) => {
  const tally = tallyOf()
  look(tally, 1000, away(1, 10n, 5n), away(2, 20n, 5n))
  tally.addUnwatched(ledger, [
    {
      address: '10.0.0.2:80',
      remoteAddress: '[fd00::9]:41000',
      receivedBytes: 1_000n,
      ackedBytes: 1n,
    },
  ])
  t.match(viewOf(tally, 'shop').peers, [
    {
      pod: 'shop/cart',
      calls: true,
      address: '192.0.2.1',
      port: 443,
      connections: 2,
      bytes: 40n,
      peer: 'shop/db',
      reason: 'no-mesh',
    },
  ])
  t.match(viewOf(tally, 'shop').wouldNot, { 'remote-peer': { connections: 2, bytes: 40n } })
  const called = { calls: false, address: 'fd00::9', port: 80, connections: 1 }
  t.match(viewOf(tally, 'bank').peers, [{ ...called, bytes: 0n, peer: undefined }])
  const later = {
    address: '10.0.0.2:80',
    remoteAddress: '[fd00::9]:41000',
    receivedBytes: 1_500n,
    ackedBytes: 2n,
  }
  tally.addUnwatched(ledger, [later])
  tally.addUnwatched(ledger, undefined)
  t.match(
    viewOf(tally, 'bank').peers,
    [{ ...called, bytes: 501n }],
    'a blocked walk changes nothing',
  )
  t.match(viewOf(tally, 'bank').readers, { proven: 0, unproven: {} })
  tally.addUnwatched(ledger, [])
  t.equal(
    viewOf(tally, 'bank').all.connections,
    0,
    'it may be watched now, so it does not count twice',
  )
})

void test('the number of connections and of peers is bounded', async (t) => {
  const tally = tallyOf(2)
  look(tally, 1000, joinable(1, 1, 1n), joinable(2, 1, 1n), joinable(3, 1, 1n))
  look(tally, 2000, joinable(1, 1, 1n))
  t.equal(tally.uncounted, 1)
  t.equal(viewOf(tally, 'shop').all.connections, 2)
  const many = tallyOf()
  const sockets = Array.from({ length: 1_200 }, (_, index) => ({
    address: '10.0.0.2:80',
    remoteAddress: `10.9.${index >> 8}.${index & 255}:5000`,
    receivedBytes: 0n,
    ackedBytes: 0n,
  }))
  many.addUnwatched(ledger, sockets)
  const { peers, morePeers, all } = viewOf(many, 'bank')
  t.strictSame([peers.length, morePeers, all.connections], [50, 1_150, 1_200])
})

const reasonFor = (there: string | undefined, back: string | undefined): string | undefined => {
  const { clientToServer: direction } = flowBetween(1n, 2n)
  const held = (reason: string | undefined) => ({ ...direction, ...(reason && { reason }) })
  return reasonOf({
    ...flowBetween(1n, 2n),
    clientToServer: held(there),
    serverToClient: held(back),
  })
}

void test('the reason says most that is not merely too early', async (t) => {
  t.equal(reasonFor('short', 'waitall'), 'waitall')
  t.equal(reasonFor('unseen', 'short'), 'unseen')
  t.equal(reasonFor('excluded', 'excluded'), undefined)
  t.equal(reasonFor(undefined, undefined), 'short')
  t.strictSame(parseAddress('[fd00::1]:80'), { host: 'fd00::1', port: 80 })
  t.strictSame(parseAddress('10.0.0.1:80'), { host: '10.0.0.1', port: 80 })
})
