import type { Flow, FlowEnd } from '../datapath/datapath.ts'
import { podKey } from '../pods/observed-pod.ts'
import type { SeenPod } from '../reconcile/desired.ts'
import { type FlowCounter, isEngaged, podsByCookie } from './snapshot.ts'
import type { HopEnds, HopView } from './views.ts'

/** The time without an overview after which the bytes of closed connections are forgotten. */
const memoryMs = 10_000

interface Carried {
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
}

interface PairSums extends Carried {
  readonly ends: HopEnds
  engaged: number
  plain: number
  readonly reasons: Record<string, number>
  redirectedBytes: bigint
  tcpBytes: bigint
  unreadBytes: bigint
}

/** The bytes of a connection at its last overview, and its pair of pods. */
type Seen = Carried & { readonly pair: string }

/** Adds up one overview's connections by pair of pods. */
export class PairTally implements FlowCounter {
  readonly pairs: Map<string, PairSums> = new Map<string, PairSums>()
  readonly connections: Map<string, Seen> = new Map<string, Seen>()
  readonly #nameOf: (flow: Flow) => PairName

  constructor(seen: readonly SeenPod[]) {
    this.#nameOf = pairNamer(seen)
  }

  add(flow: Flow): void {
    const name = this.#nameOf(flow)
    const pair = sumsOf(this.pairs, name)
    const carried = bytesOf(flow)
    this.connections.set(flow.identity, { pair: name.key, ...carried })
    add(pair, carried)
    count(pair, flow)
  }
}

/**
 * Compares each overview with the previous one. While a client keeps asking, a pair's bytes do not fall when a
 * connection closes, so that two overviews give a rate. Bytes that a connection carried after its last overview are not
 * included. The meter holds memory for every connection until ten seconds after the last overview.
 */
export class PairMeter {
  #last = new Map<string, Seen>()
  #closed = new Map<string, Carried>()
  #forget: NodeJS.Timeout | undefined

  /**
   * Returns the pairs, those with the most bytes first. The tally must have counted every live connection. Calls must
   * not overlap.
   */
  pairsOf({ pairs, connections }: PairTally): HopView[] {
    const closed = new Map<string, Carried>()
    for (const [identity, { pair: key, ...carried }] of this.#last) {
      if (connections.has(identity)) continue
      closed.set(key, plus(closed.get(key) ?? this.#closed.get(key), carried))
    }
    for (const key of pairs.keys()) {
      const before = this.#closed.get(key)
      if (before && !closed.has(key)) closed.set(key, before)
    }
    for (const [key, carried] of closed) add(sumsOf(pairs, { key, ends: endsOfKey(key) }), carried)
    this.#last = connections
    this.#closed = closed
    clearTimeout(this.#forget)
    this.#forget = setTimeout(() => {
      this.#last = new Map()
      this.#closed = new Map()
    }, memoryMs).unref()
    return [...pairs.values()].toSorted(byBytes)
  }
}

type CarriedFlow = Carried & { readonly flow: Flow }

/** The connections of one pair that carried the most bytes. */
export class FlowsOfPair implements FlowCounter {
  readonly #nameOf: (flow: Flow) => PairName
  readonly #wanted: string
  readonly #limit: number
  #found: CarriedFlow[] = []

  constructor(seen: readonly SeenPod[], ends: HopEnds, limit: number) {
    this.#nameOf = pairNamer(seen)
    this.#wanted = pairKey(ends)
    this.#limit = limit
  }

  add(flow: Flow): void {
    if (this.#nameOf(flow).key !== this.#wanted) return
    this.#found.push({ flow, ...bytesOf(flow) })
    // Prunes from time to time, because one pair may have all the connections of the node.
    if (this.#found.length === 8 * this.#limit) this.#found = this.#most()
  }

  /** Returns those with the most bytes first. */
  flows(): Flow[] {
    return this.#most().map(({ flow }) => flow)
  }

  #most(): CarriedFlow[] {
    return this.#found.toSorted(byBytes).slice(0, this.#limit)
  }
}

/** Names the pair of a flow. It builds the name of each pair of namespaces only once, because there are many flows. */
function pairNamer(seen: readonly SeenPod[]): (flow: Flow) => PairName {
  const pods = podsByCookie(seen)
  const named = new Map<bigint | undefined, Map<bigint | undefined, PairName>>()
  const nameOf = (end: FlowEnd): string => {
    const pod = pods.get(end.netnsCookie)
    return pod ? podKey(pod) : ''
  }
  return ({ client, server }) => {
    let toServers = named.get(client?.netnsCookie)
    if (!toServers) named.set(client?.netnsCookie, (toServers = new Map()))
    let name = toServers.get(server?.netnsCookie)
    if (!name) {
      const ends = {
        ...(client && { client: nameOf(client) }),
        ...(server && { server: nameOf(server) }),
      }
      toServers.set(server?.netnsCookie, (name = { ends, key: pairKey(ends) }))
    }
    return name
  }
}

interface PairName {
  readonly ends: HopEnds
  readonly key: string
}

/** JSON keeps an absent end distinct from one with an empty name. */
const pairKey = ({ client, server }: HopEnds): string => JSON.stringify([client, server])

function endsOfKey(key: string): HopEnds {
  const [client, server]: [string | null, string | null] = JSON.parse(key)
  return { ...(client !== null && { client }), ...(server !== null && { server }) }
}

function sumsOf(pairs: Map<string, PairSums>, { ends, key }: PairName): PairSums {
  let pair = pairs.get(key)
  if (!pair) {
    pair = {
      ends,
      engaged: 0,
      plain: 0,
      reasons: {},
      redirectedBytes: 0n,
      tcpBytes: 0n,
      unreadBytes: 0n,
    }
    pairs.set(key, pair)
  }
  return pair
}

function count(pair: PairSums, flow: Flow): void {
  const { clientToServer, serverToClient } = flow
  pair.unreadBytes += BigInt(clientToServer.unreadBytes + serverToClient.unreadBytes)
  if (isEngaged(flow)) {
    pair.engaged += 1
  } else {
    const reason = clientToServer.reason ?? serverToClient.reason ?? 'unknown'
    pair.plain += 1
    pair.reasons[reason] = (pair.reasons[reason] ?? 0) + 1
  }
}

function bytesOf({ clientToServer, serverToClient }: Flow): Carried {
  return plus(clientToServer, serverToClient)
}

function plus(one: Carried | undefined, other: Carried): Carried {
  return {
    redirectedBytes: (one?.redirectedBytes ?? 0n) + other.redirectedBytes,
    tcpBytes: (one?.tcpBytes ?? 0n) + other.tcpBytes,
  }
}

function add(pair: PairSums, { redirectedBytes, tcpBytes }: Carried): void {
  pair.redirectedBytes += redirectedBytes
  pair.tcpBytes += tcpBytes
}

function byBytes(one: Carried, other: Carried): number {
  return Number(other.redirectedBytes + other.tcpBytes - one.redirectedBytes - one.tcpBytes)
}
