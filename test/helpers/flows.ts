import type { Flow, FlowDirection } from '../../src/datapath/datapath.ts'

let next = 0
const unused = (): number => (next += 1)

/** A connection from one netns cookie to another. All its bytes go from the client to the server. */
export function flowBetween(
  client: bigint,
  server: bigint | undefined,
  { reason, redirectedBytes = 0n, tcpBytes = 0n, unreadBytes = 0 }: Partial<FlowDirection> = {},
  number: number = unused(),
): Flow {
  const path = reason === undefined ? ('redirect' as const) : ('tcp' as const)
  const held = reason === undefined ? { path } : { path, reason }
  const end = { readerPid: 0, readerComm: '', proven: true, turns: 0, ackedBytes: 0n }
  const address = (cookie: bigint): string => `10.0.0.${cookie}:${1024 + (number % 60_000)}`
  return {
    identity: number.toString(16),
    ageMs: 60_000,
    state: reason === undefined ? 'joined' : 'watched',
    client: {
      ...end,
      netnsCookie: client,
      address: address(client),
      ...(server === undefined ? { remoteAddress: '192.0.2.1:443' } : {}),
    },
    ...(server === undefined
      ? {}
      : { server: { ...end, netnsCookie: server, address: address(server) } }),
    clientToServer: { ...held, redirectedBytes, tcpBytes, unreadBytes },
    serverToClient: { ...held, redirectedBytes: 0n, tcpBytes: 0n, unreadBytes: 0 },
  }
}
