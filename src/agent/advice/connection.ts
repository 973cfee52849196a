/** A connection of a watched pod, over many looks. */

import type { Flow, FlowDirection, FlowEnd, UnwatchedSocket } from '../../datapath/datapath.ts'

/** The fields of an end that advice needs. */
export type End = Pick<
  FlowEnd,
  'netnsCookie' | 'address' | 'remoteAddress' | 'proven' | 'unprovenReason' | 'turns'
> & {
  /** How its reader reads is not known. */
  readonly isUnwatched?: true
}

/** The ends in watched or enrolled pods, as they were at the last look. */
export interface Ends {
  readonly client?: End
  readonly server?: End
}

export interface Connection {
  readonly namespaces: ReadonlySet<string>
  ends: Ends
  /** Bytes and turns before the advice began. */
  readonly bytesBefore: bigint
  bytes: bigint
  clientTurns: number
  serverTurns: number
  /** It would join. Once that is known, it stays so. */
  joins: boolean
  /** Why it would not join, as the last look found it. */
  reason: string
}

/** A connection that was not known before. An enrolled peer may have been watched for long. */
export function begun(flow: Flow, namespaces: ReadonlySet<string>, elapsedMs: number): Connection {
  const isOld = flow.ageMs > elapsedMs
  const bytes = bytesOf(flow)
  return {
    namespaces,
    ends: isOld ? endsOf(flow) : {},
    bytesBefore: isOld ? bytes : 0n,
    bytes,
    clientTurns: 0,
    serverTurns: 0,
    joins: false,
    reason: '',
  }
}

export function update(connection: Connection, flow: Flow): void {
  const { client, server } = flow
  const { ends } = connection
  connection.clientTurns += moreTurns(ends.client, client)
  connection.serverTurns += moreTurns(ends.server, server)
  connection.ends = endsOf(flow)
  connection.bytes = bytesOf(flow)
  const reason = reasonOf(flow)
  if (reason === undefined) connection.joins = true
  else connection.reason = reason
}

/** The kernel counts from 0 again after some events. */
function moreTurns(before: End | undefined, now: End | undefined): number {
  if (!now) return 0
  const last = before?.turns ?? 0
  return now.turns >= last ? now.turns - last : now.turns
}

const endsOf = ({ client, server }: Flow): Ends => ({
  ...(client && { client }),
  ...(server && { server }),
})

/** If the peer is not watched, this end knows what the peer has acknowledged. */
const bytesOf = ({ client, server, clientToServer, serverToClient }: Flow): bigint =>
  carried(clientToServer, server ? undefined : client) +
  carried(serverToClient, client ? undefined : server)

const carried = (
  { tcpBytes, redirectedBytes }: FlowDirection,
  sender: FlowEnd | undefined,
): bigint => tcpBytes + redirectedBytes + (sender?.ackedBytes ?? 0n)

/** A socket that nobody watches, as a connection. `before`: the same at the look before. */
export function unwatched(
  { netnsCookie, namespace }: { readonly netnsCookie: bigint; readonly namespace: string },
  { address, remoteAddress, receivedBytes, ackedBytes }: UnwatchedSocket,
  before: Connection | undefined,
): Connection {
  const end: End = {
    netnsCookie,
    address,
    remoteAddress,
    proven: false,
    turns: 0,
    isUnwatched: true,
  }
  const bytes = receivedBytes + ackedBytes
  // The kernel does not keep which end called. A server rarely has the higher port.
  const calls = parseAddress(address).port > parseAddress(remoteAddress).port
  return {
    namespaces: before?.namespaces ?? new Set([namespace]),
    ends: calls ? { client: end } : { server: end },
    bytesBefore: before?.bytesBefore ?? bytes,
    bytes,
    clientTurns: 0,
    serverTurns: 0,
    joins: false,
    reason: 'remote-peer',
  }
}

/** These only mean that something else has not happened yet. */
const vague: readonly string[] = ['short', 'unseen', 'peer-unproven']

/**
 * Why the connection would not join, or undefined. The agent excludes all connections of watched pods. It finds that out
 * when both ends are proven and paired: only the rule keeps such a connection on TCP.
 */
export function reasonOf({ clientToServer, serverToClient }: Flow): string | undefined {
  const reasons = [clientToServer, serverToClient].map(({ reason }) => reason ?? 'short')
  if (reasons.includes('excluded')) return undefined
  return reasons.find((reason) => !vague.includes(reason)) ?? reasons[0] ?? 'short'
}

/** `10.0.0.1:80` or `[fd00::1]:80`. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(colon + 1)) }
}
