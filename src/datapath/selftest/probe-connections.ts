/** Connections that the probes make: real sockets over loopback that join and redirect. One is open at a time. */
import { MeshaccelError } from '../../lib/errors.ts'
import { currentNetnsCookie, TcpSocket } from 'libbpf'
import { flowPieces, parseFlows } from '../loop/flow-table.ts'
import { visitHere } from '../loop/visit.ts'
import type { Programs } from '../pins/programs.ts'

/** More turns and scans than a join needs (TURNS and PROOF_RECEIVES of meshaccel.h). */
export const ROUNDS = 24
/** A busy kernel may skip the count of a receive. Then the proof of the reader begins again, and takes more turns. */
const JOIN_ROUNDS = 100
/** The kernel forgets a join that is not complete by then (JOINING_NS). Turns that take longer prove nothing. */
const JOINING_MS = 1_000
export const TIMED_OUT = 'ETIMEDOUT'

export type Pair = ReturnType<typeof TcpSocket.pair>

/** Makes turns until both directions redirect. */
function joined(programs: Programs): Pair {
  const pair = TcpSocket.pair()
  const begin = performance.now()
  try {
    for (let round = 0; round < JOIN_ROUNDS; round += 1) {
      takeTurn(pair)
      scan(programs)
      if (redirects(programs)) return pair
    }
    const tookMs = performance.now() - begin
    throw new MeshaccelError(`it did not within ${JOIN_ROUNDS} turns`, {
      code: tookMs > JOINING_MS ? TIMED_OUT : 'NOT_JOINED',
      operation: 'join a connection',
    })
  } catch (error) {
    close(pair)
    throw error
  }
}

/** Scans as the agent does. All probe connections are in this network namespace. */
export function scan(programs: Programs): void {
  programs.scan.iterate()
  visitHere(programs, currentNetnsCookie())
}

/** Relies on only one connection being open at a time. */
export const redirects = (programs: Programs): boolean =>
  parseFlows(...flowPieces(programs)).some(
    ({ clientToServer, serverToClient }) =>
      clientToServer.path === 'redirect' && serverToClient.path === 'redirect',
  )

export function takeTurn({ client, server }: Pair): void {
  expect(client, server, Uint8Array.of(1, 2, 3))
  expect(server, client, Uint8Array.of(4, 5))
}

export function expect(from: TcpSocket, to: TcpSocket, data: Uint8Array): void {
  from.send(data)
  const got = to.receiveAll(data.length)
  if (Buffer.compare(got, data) !== 0) throw new Error('other bytes arrived than were sent')
}

export function close({ client, server }: Pair): void {
  client[Symbol.dispose]()
  server[Symbol.dispose]()
}

/** Runs the probe with a redirected connection, then closes it. */
export function withJoined<T>(programs: Programs, question: (pair: Pair) => T): T {
  const pair = joined(programs)
  try {
    return question(pair)
  } finally {
    close(pair)
  }
}
