/** Adds up the connections of pods that are watched for advice, over many looks at the flow table. */

import type { NamespaceAdviceView } from '../../api/views/advice.ts'
import type { Flow, UnwatchedSocket } from '../../datapath/datapath.ts'
import { begun, type Connection, parseAddress, unwatched, update } from './connection.ts'
import { NamespaceSums } from './namespace-sums.ts'

export interface WatchedPod {
  /** `namespace/name`. */
  readonly pod: string
  readonly namespace: string
  readonly netnsCookie: bigint
}

/** The pod of this node that has an address. */
export type PodAt = (
  address: string,
) => { readonly pod: string; readonly reason?: string } | undefined

export interface AdviceTallyOptions {
  /** By netns cookie. */
  readonly watched: ReadonlyMap<bigint, WatchedPod>
  readonly podAt: PodAt
  /** The number of connections to remember. */
  readonly limit?: number
}

/** Live connections to remember: some 20 MB. */
const connectionLimit = 20_000

/** Adds up over many looks. A connection that a look does not find any more has closed, and only its sums stay. */
export class AdviceTally {
  readonly #watched: ReadonlyMap<bigint, WatchedPod>
  readonly #podAt: PodAt
  readonly #limit: number
  /** The live connections by identity. */
  #connections = new Map<string, Connection>()
  /** The connections that the look has found so far. */
  #found = new Map<string, Connection>()
  /** Sockets that nobody watches, by netns cookie and addresses. */
  readonly #unwatched = new Map<bigint, ReadonlyMap<string, Connection>>()
  /** The connections that have closed, by namespace. */
  readonly #closed: ReadonlyMap<string, NamespaceSums>
  #uncounted = 0
  #mostUncounted = 0
  #elapsedMs = 0

  constructor({ watched, podAt, limit = connectionLimit }: AdviceTallyOptions) {
    this.#watched = watched
    this.#podAt = podAt
    this.#limit = limit
    this.#closed = this.#noSums()
  }

  /** Connections that were left out, in the look that left out the most. */
  get uncounted(): number {
    return this.#mostUncounted
  }

  /** Begins a look, which finds every live connection. `elapsedMs`: since the advice began. */
  beginLook(elapsedMs: number): void {
    this.#elapsedMs = elapsedMs
    this.#uncounted = 0
    this.#found = new Map()
  }

  add(flow: Flow): void {
    const namespaces = this.#namespacesOf(flow)
    if (namespaces.size === 0) return
    const known = this.#connections.get(flow.identity)
    if (!known && this.#found.size >= this.#limit) {
      this.#uncounted += 1
      return
    }
    const connection = known ?? begun(flow, namespaces, this.#elapsedMs)
    update(connection, flow)
    this.#found.set(flow.identity, connection)
  }

  /**
   * Replaces what is known of the pod's sockets that nobody watches. They are not told apart from others once they have
   * closed, so they count only while they live. Without `sockets`, the earlier ones stay.
   */
  addUnwatched(pod: WatchedPod, sockets: readonly UnwatchedSocket[] | undefined): void {
    if (!sockets) return
    const before = this.#unwatched.get(pod.netnsCookie)
    const now = sockets.map((socket) => {
      const key = `${socket.address} ${socket.remoteAddress}`
      return [key, unwatched(pod, socket, before?.get(key))] as const
    })
    this.#unwatched.set(pod.netnsCookie, new Map(now))
  }

  endLook(): void {
    for (const [identity, connection] of this.#connections) {
      if (!this.#found.has(identity)) this.#count(connection, this.#closed)
    }
    this.#connections = this.#found
    this.#mostUncounted = Math.max(this.#mostUncounted, this.#uncounted)
  }

  /** The namespaces with watched pods. `opened`: by namespace. */
  views(opened: ReadonlyMap<string, bigint>): NamespaceAdviceView[] {
    const live = this.#noSums()
    for (const connection of this.#connections.values()) this.#count(connection, live)
    for (const ofPod of this.#unwatched.values()) {
      for (const connection of ofPod.values()) this.#count(connection, live)
    }
    return [...live].map(([namespace, sums]) => {
      const closed = this.#closed.get(namespace)
      if (closed) sums.addAll(closed)
      const pods = [...this.#watched.values()].filter((pod) => pod.namespace === namespace)
      return {
        namespace,
        pods: pods.length,
        opened: opened.get(namespace) ?? 0n,
        ...sums.view(),
      }
    })
  }

  #noSums(): Map<string, NamespaceSums> {
    return new Map(
      [...this.#watched.values()].map(({ namespace }) => [namespace, new NamespaceSums()]),
    )
  }

  #count(connection: Connection, sums: ReadonlyMap<string, NamespaceSums>): void {
    for (const namespace of connection.namespaces) sums.get(namespace)?.add(connection)
    const { client, server } = connection.ends
    for (const end of [client, server]) {
      const pod = end && this.#watched.get(end.netnsCookie)
      const sum = pod && sums.get(pod.namespace)
      if (!end || !pod || !sum) continue
      if (!end.isUnwatched) sum.addReader(end)
      if (end.remoteAddress === undefined) continue
      const { host, port } = parseAddress(end.remoteAddress)
      const calls = end === client
      const at = this.#podAt(host)
      sum.addPeer({
        pod: pod.pod,
        calls,
        address: host,
        port: calls ? port : parseAddress(end.address).port,
        connections: 1,
        bytes: connection.bytes - connection.bytesBefore,
        ...(at && { peer: at.pod }),
        ...(at?.reason === undefined ? {} : { reason: at.reason }),
      })
    }
  }

  #namespacesOf({ client, server }: Flow): Set<string> {
    const found = new Set<string>()
    for (const end of [client, server]) {
      const pod = end && this.#watched.get(end.netnsCookie)
      if (pod) found.add(pod.namespace)
    }
    return found
  }
}
