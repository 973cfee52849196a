import { test } from 'tap'
import {
  countConnections,
  flowBatches,
  flowsInTurns,
  formatAddress,
  parseFlows,
} from '../../../../src/datapath/loop/flow-table.ts'
import { reasonNames } from '../../../../src/datapath/generated-names.ts'
import { flowEnd, type FlowEndRecord } from '../../../../src/datapath/maps/generated.ts'

const JOINED = 3
const REDIRECT = 1

const base: FlowEndRecord = {
  key: { own: 0x11, peer: 0x22 },
  netnsCookie: 7n,
  ageNs: 1_500_000_000n,
  localAddress: Uint8Array.of(10, 0, 0, 1),
  remoteAddress: Uint8Array.of(10, 0, 0, 2),
  localPort: 40_000,
  remotePort: 80,
  family: 2,
  role: 0,
  state: JOINED,
  path: REDIRECT,
  pathReason: 0,
  proven: 1,
  why: 0,
  readerTgid: 123,
  readerComm: 'app',
  unreadBytes: 5,
  turns: 6,
  redirectedBytes: 100n,
  receivedTcpBytes: 20n,
  ackedBytes: 7n,
}

function encode(...records: FlowEndRecord[]): Uint8Array {
  const bytes = new Uint8Array(flowEnd.size * records.length)
  const view = new DataView(bytes.buffer)
  for (const [index, record] of records.entries()) {
    flowEnd.encode(record, view, index * flowEnd.size)
  }
  return bytes
}

void test('two ends with mirrored numbers are one connection, whichever comes first', async (t) => {
  const client = base
  const server = {
    ...base,
    role: 1,
    key: { own: 0x22, peer: 0x11 },
    netnsCookie: 8n,
    localPort: 80,
    redirectedBytes: 300n,
    receivedTcpBytes: 40n,
    unreadBytes: 6,
  }
  for (const order of [
    [client, server],
    [server, client],
  ]) {
    const [flow, ...more] = parseFlows(encode(...order))
    t.strictSame(more, [])
    t.match(flow, {
      identity: '00000011:00000022',
      ageMs: 1500,
      state: 'joined',
      client: {
        netnsCookie: 7n,
        address: '10.0.0.1:40000',
        readerPid: 123,
        proven: true,
        turns: 6,
        ackedBytes: 7n,
      },
      server: { netnsCookie: 8n },
      // One end sent by redirect. The other received by TCP and has unread bytes.
      clientToServer: { path: 'redirect', redirectedBytes: 100n, tcpBytes: 40n, unreadBytes: 6 },
      serverToClient: { path: 'redirect', redirectedBytes: 300n, tcpBytes: 20n, unreadBytes: 5 },
    })
  }
})

void test('a connection whose both ends are watched is one', async (t) => {
  const server = { ...base, role: 1, key: { own: 0x22, peer: 0x11 } }
  const remote = { ...base, key: { own: 0x33, peer: 0x44 } }
  t.equal(await countConnections([encode(base, remote), encode(server)]), 2)
  t.equal(await countConnections([]), 0)
})

void test('an end whose peer is elsewhere says so', async (t) => {
  const [flow] = parseFlows(encode({ ...base, path: 0, state: 0 }))
  t.match(flow, {
    state: 'watched',
    server: undefined,
    clientToServer: { path: 'tcp', reason: 'remote-peer' },
  })
})

void test('an unproven reader is the reason of the direction towards it', async (t) => {
  const waitall = reasonNames.indexOf('waitall')
  const server = {
    ...base,
    role: 1,
    key: { own: 0x22, peer: 0x11 },
    path: 0,
    proven: 0,
    why: waitall,
  }
  const [flow] = parseFlows(encode({ ...base, path: 0 }, server))
  t.match(flow, {
    server: { proven: false, unprovenReason: 'waitall' },
    clientToServer: { path: 'tcp', reason: 'waitall' },
  })
})

void test('a peer that is here is not remote, whatever its end has given up', async (t) => {
  const why = reasonNames.indexOf('remote-peer')
  const waited = { ...base, path: 0, state: 0, why }
  const server = { ...waited, role: 1, key: { own: 0x22, peer: 0x11 } }
  const [flow] = parseFlows(encode(waited, server))
  t.match(flow, { clientToServer: { reason: 'short' }, serverToClient: { reason: 'short' } })
})

void test('many connections are decoded in steps, each of them small', async (t) => {
  const ends = Array.from({ length: 12_000 }, (_, index) => ({
    ...base,
    key: { own: index, peer: 0x22 },
  }))
  const pieces = Array.from({ length: 40 }, (_, index) =>
    encode(...ends.slice(index * 300, (index + 1) * 300)),
  )
  const steps = [...flowBatches(pieces)]
  const sizes = steps.map(({ length }) => length)
  t.ok(Math.max(...sizes) <= 500)
  // Steps for reading each piece, and for pairing every 5,000 ends.
  t.equal(sizes.filter((size) => size === 0).length, 40 + 2 + 1)
  const identities = new Set(steps.flat().map(({ identity }) => identity))
  t.equal(identities.size, 12_000)

  let turns = 0
  let timer = setImmediate(function again() {
    turns += 1
    timer = setImmediate(again)
  })
  let flows = 0
  for await (const some of flowsInTurns(pieces)) flows += some.length
  clearImmediate(timer)
  t.equal(flows, 12_000)
  t.ok(turns >= steps.length, `others had ${turns} turns`)
})

const v6 = (text: string): Uint8Array =>
  Uint8Array.from(
    text.split(':').flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]),
  )

void test('addresses are written as everybody writes them', async (t) => {
  t.equal(formatAddress(Uint8Array.of(127, 0, 0, 6), 9, 2), '127.0.0.6:9')
  t.equal(formatAddress(v6('fd00:0:0:0:0:0:0:1'), 443, 10), '[fd00::1]:443')
  t.equal(formatAddress(v6('0:0:0:0:0:ffff:0a00:0001'), 80, 10), '10.0.0.1:80')
})
