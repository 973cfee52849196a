/** The flow table. The kernel's iterator writes one record per end; this file pairs them into connections. */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { u8 } from 'libbpf'
import type { Flow, FlowDirection, FlowEnd, Path, UnwatchedSocket } from '../datapath.ts'
import { connStateNames, flowPathNames, roleNames } from '../generated-names.ts'
import { type FlowEndRecord, flowEnd, isnPair } from '../maps/generated.ts'
import { AF_INET6, reasonName } from '../maps/layout.ts'
import type { Programs } from '../pins/programs.ts'

/** The number of connections to decode in one step: some milliseconds of work. */
const FLOWS_PER_BATCH = 500
/** The number of ends to pair in one step. */
const ENDS_PER_BATCH = 5000

/** Decodes the output of one or more runs of the iterator `meshaccel_flows`. */
export function parseFlows(...pieces: readonly Uint8Array[]): Flow[] {
  return [...flowBatches(pieces)].flat()
}

/** The whole flow table, one piece for each run of the iterator. Several readers may interleave their runs. */
export function* flowPieces({
  flows,
  cursor,
}: Pick<Programs, 'flows' | 'cursor'>): Generator<Uint8Array> {
  let next = 0
  do {
    cursor.update(0, { next })
    const piece = flows.iterate()
    next = cursor.lookup(0)?.next ?? 0
    yield piece
  } while (next !== 0)
}

/**
 * Like `parseFlows`, in steps of a few milliseconds, so that the caller can yield to the event loop. A step that reads
 * a piece or pairs ends yields an empty batch. Each piece holds whole records.
 */
export function* flowBatches(pieces: Iterable<Uint8Array>): Generator<Flow[]> {
  const { view, offsets } = yield* putTogether(pieces)
  const decode = (offset: number | undefined): FlowEndRecord | undefined =>
    offset === undefined ? undefined : flowEnd.decode(view, offset)
  let flows: Flow[] = []
  for (const [identity, { client, server }] of offsets) {
    flows.push(toFlow(identity, decode(client), decode(server)))
    if (flows.length < FLOWS_PER_BATCH) continue
    yield flows
    flows = []
  }
  yield flows
}

/** Counts the connections in steps that yield to the event loop. A connection with two watched ends counts once. */
export async function countConnections(pieces: Iterable<Uint8Array>): Promise<number> {
  const steps = putTogether(pieces)
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value.offsets.size
    await nextTurn()
  }
}

interface Ends {
  readonly view: DataView
  /**
   * The offsets of the records, by the connection's identity. Late decoding keeps records short-lived, which is cheap
   * for the garbage collector.
   */
  readonly offsets: ReadonlyMap<string, { client?: number; server?: number }>
}

function* putTogether(pieces: Iterable<Uint8Array>): Generator<[], Ends> {
  const read: Uint8Array[] = []
  for (const piece of pieces) {
    read.push(piece)
    yield []
  }
  const output = Buffer.concat(read)
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength)
  const offsets = new Map<string, { client?: number; server?: number }>()
  for (let offset = 0; offset + flowEnd.size <= view.byteLength; offset += flowEnd.size) {
    const { own, peer } = isnPair.decode(view, offset + key.offset)
    const isClient = roleNames[u8.decode(view, offset + role.offset)] === 'client'
    const identity = isClient ? `${hex(own)}:${hex(peer)}` : `${hex(peer)}:${hex(own)}`
    const both = offsets.get(identity)
    if (both === undefined)
      offsets.set(identity, isClient ? { client: offset } : { server: offset })
    else both[isClient ? 'client' : 'server'] = offset
    if ((offset / flowEnd.size + 1) % ENDS_PER_BATCH === 0) yield []
  }
  return { view, offsets }
}

/** Like `flowBatches`, but yields to the event loop after each step. */
export async function* flowsInTurns(pieces: Iterable<Uint8Array>): AsyncGenerator<Flow[]> {
  for (const flows of flowBatches(pieces)) {
    if (flows.length > 0) yield flows
    await nextTurn()
  }
}

const { key, role } = flowEnd.members

function toFlow(
  identity: string,
  client: FlowEndRecord | undefined,
  server: FlowEndRecord | undefined,
): Flow {
  const any = client ?? server
  return {
    identity,
    ageMs: Number((any?.ageNs ?? 0n) / 1_000_000n),
    state: toState(any?.state ?? 0),
    ...(client && { client: toEnd(client, server === undefined) }),
    ...(server && { server: toEnd(server, client === undefined) }),
    clientToServer: toDirection(client, server),
    serverToClient: toDirection(server, client),
  }
}

/** Decodes the output of the iterator `meshaccel_unwatched`. */
export function parseUnwatched(output: Uint8Array): UnwatchedSocket[] {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength)
  return Array.from({ length: Math.floor(output.byteLength / flowEnd.size) }, (_, index) => {
    const end = flowEnd.decode(view, index * flowEnd.size)
    return {
      address: formatAddress(end.localAddress, end.localPort, end.family),
      remoteAddress: formatAddress(end.remoteAddress, end.remotePort, end.family),
      receivedBytes: end.receivedTcpBytes,
      ackedBytes: end.ackedBytes,
    }
  })
}

function toState(code: number): Flow['state'] {
  const state = connStateNames[code]
  if (state === 'joining' || state === 'joined') return state
  return state === 'stopping' || state === 'sealed' ? 'leaving' : 'watched'
}

function toEnd(end: FlowEndRecord, alone: boolean): FlowEnd {
  const { localAddress, localPort, remoteAddress, remotePort, family } = end
  return {
    netnsCookie: end.netnsCookie,
    address: formatAddress(localAddress, localPort, family),
    ...(alone && { remoteAddress: formatAddress(remoteAddress, remotePort, family) }),
    readerPid: end.readerTgid,
    readerComm: end.readerComm,
    proven: end.proven !== 0,
    ...(end.proven === 0 && { unprovenReason: reasonName(end.why) }),
    turns: end.turns,
    ackedBytes: end.ackedBytes,
  }
}

/**
 * Takes the sent bytes from the sender's record and the received bytes from the reader's. If one end is not watched,
 * the record of its peer supplies what it knows.
 */
function toDirection(
  sender: FlowEndRecord | undefined,
  reader: FlowEndRecord | undefined,
): FlowDirection {
  const path: Path = flowPathNames[sender?.path ?? 0] ?? 'tcp'
  return {
    path,
    ...(path !== 'redirect' && { reason: pathReason(sender, reader) }),
    redirectedBytes: sender?.redirectedBytes ?? 0n,
    tcpBytes: reader?.receivedTcpBytes ?? 0n,
    unreadBytes: reader?.unreadBytes ?? 0,
  }
}

function pathReason(sender: FlowEndRecord | undefined, reader: FlowEndRecord | undefined): string {
  if (!sender || !reader) return 'remote-peer'
  if (sender.pathReason !== 0) return reasonName(sender.pathReason)
  const why = reasonName(reader.proven ? sender.why : reader.why)
  // An end that wants to join waits two seconds for its peer. The peer is here now, but it was not ready within that
  // time.
  return why === 'remote-peer' ? 'short' : why
}

/** Formats as `10.0.0.1:80` or `[fd00::1]:80`. An IPv4-mapped IPv6 address is shown as IPv4. */
export function formatAddress(address: Uint8Array, port: number, family: number): string {
  if (family !== AF_INET6) return `${address[0]}.${address[1]}.${address[2]}.${address[3]}:${port}`
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((address[2 * i] ?? 0) << 8) | (address[2 * i + 1] ?? 0),
  )
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `${address.slice(12).join('.')}:${port}`
  }
  const url = new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]/`)
  return `${url.hostname}:${port}`
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
