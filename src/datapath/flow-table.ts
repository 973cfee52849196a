/** The flow table: the lines of the kernel's iterator, one per end, put together into connections. */

import type { Flow, FlowDirection, FlowEnd, Path } from './datapath.ts'
import {
  AF_INET6,
  connStates,
  type FlowEndRecord,
  flowEnd,
  paths,
  reasonName,
  ROLE_CLIENT,
} from './layout.ts'

/** Decodes what the iterator `meshaccel_flows` wrote. */
export function parseFlows(output: Uint8Array): Flow[] {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength)
  const ends = new Map<string, { client?: FlowEndRecord; server?: FlowEndRecord }>()
  for (let offset = 0; offset + flowEnd.size <= view.byteLength; offset += flowEnd.size) {
    const end = flowEnd.decode(view, offset)
    const isClient = end.role === ROLE_CLIENT
    const identity = isClient
      ? `${hex(end.key.own)}:${hex(end.key.peer)}`
      : `${hex(end.key.peer)}:${hex(end.key.own)}`
    const both = ends.get(identity) ?? {}
    both[isClient ? 'client' : 'server'] = end
    ends.set(identity, both)
  }
  return [...ends].map(([identity, both]) => toFlow(identity, both.client, both.server))
}

function toFlow(
  identity: string,
  client: FlowEndRecord | undefined,
  server: FlowEndRecord | undefined,
): Flow {
  const any = client ?? server
  return {
    identity,
    ageMs: Number((any?.age_ns ?? 0n) / 1_000_000n),
    state: toState(any?.state ?? 0),
    ...(client && { client: toEnd(client) }),
    ...(server && { server: toEnd(server) }),
    clientToServer: toDirection(client, server),
    serverToClient: toDirection(server, client),
  }
}

function toState(code: number): Flow['state'] {
  const state = connStates[code]
  if (state === 'joining' || state === 'joined') return state
  return state === 'stopping' || state === 'sealed' ? 'leaving' : 'watched'
}

function toEnd(end: FlowEndRecord): FlowEnd {
  return {
    netnsCookie: end.netns_cookie,
    address: formatAddress(end.local_address, end.local_port, end.family),
    readerPid: end.reader_tgid,
    readerComm: end.reader_comm,
    proven: end.proven !== 0,
    ...(end.proven === 0 && { unprovenReason: reasonName(end.why) }),
  }
}

/** Sent by the sender's record, received by the reader's; where an end is not ours, its peer knows what it can. */
function toDirection(
  sender: FlowEndRecord | undefined,
  reader: FlowEndRecord | undefined,
): FlowDirection {
  const path: Path = paths[sender?.path ?? 0] ?? 'tcp'
  return {
    path,
    ...(path !== 'redirect' && { reason: pathReason(sender, reader) }),
    redirectedBytes: sender?.redirected_bytes ?? 0n,
    tcpBytes: reader?.received_tcp_bytes ?? 0n,
    unreadBytes: reader?.unread_bytes ?? 0,
  }
}

function pathReason(sender: FlowEndRecord | undefined, reader: FlowEndRecord | undefined): string {
  if (!sender || !reader) return 'remote-peer'
  if (sender.path_reason !== 0) return reasonName(sender.path_reason)
  if (!reader.proven) return reasonName(reader.why)
  return reasonName(sender.why)
}

/** `10.0.0.1:80` or `[fd00::1]:80`; an IPv4 address inside IPv6 is shown as IPv4. */
export function formatAddress(address: Uint8Array, port: number, family: number): string {
  if (family !== AF_INET6) return `${address.slice(0, 4).join('.')}:${port}`
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
