import type { Flow, FlowEnd } from '../datapath/datapath.ts'
import { podKey } from '../pods/observed-pod.ts'
import type { SeenPod } from '../reconcile/desired.ts'
import { type FlowCounter, isEngaged, podsByCookie } from './snapshot.ts'
import type { HopEnds, HopView } from './views.ts'

/** After so long without a look, what closed connections carried is forgotten. */
const memoryMs = 10_000

interface Carried {
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
}

interface Hop extends Carried {
  readonly ends: HopEnds
  engaged: number
  plain: number
  readonly reasons: Record<string, number>
  redirectedBytes: bigint
  tcpBytes: bigint
  unreadBytes: bigint
}

/** What a connection had carried when it was looked at, and over which hop. */
type Seen = Carried & { readonly hop: string }

/** Adds connections up per hop. */
export class HopLook implements FlowCounter {
  readonly hops: Map<string, Hop> = new Map<string, Hop>()
  readonly connections: Map<string, Seen> = new Map<string, Seen>()
  readonly #nameOf: (flow: Flow) => HopName

  constructor(seen: readonly SeenPod[]) {
    this.#nameOf = hopNamer(seen)
  }

  add(flow: Flow): void {
    const name = this.#nameOf(flow)
    const hop = hopOf(this.hops, name)
    const carried = bytesOf(flow)
    this.connections.set(flow.identity, { hop: name.key, ...carried })
    add(hop, carried)
    count(hop, flow)
  }
}

/**
 * Compares each look with the one before it. While somebody keeps looking, a hop's bytes do not fall when a connection
 * closes, so that two looks make a rate; what a connection carried after the last look at it is not in them. It holds
 * memory for every connection until nobody has looked for ten seconds.
 */
export class HopMeter {
  #last = new Map<string, Seen>()
  #closed = new Map<string, Carried>()
  #forget: NodeJS.Timeout | undefined

  /** The hops, those with the most bytes first. The look has seen every live connection; no two overlap. */
  hopsOf({ hops, connections }: HopLook): HopView[] {
    const closed = new Map<string, Carried>()
    for (const [identity, { hop: key, ...carried }] of this.#last) {
      if (connections.has(identity)) continue
      closed.set(key, plus(closed.get(key) ?? this.#closed.get(key), carried))
    }
    for (const key of hops.keys()) {
      const before = this.#closed.get(key)
      if (before && !closed.has(key)) closed.set(key, before)
    }
    for (const [key, carried] of closed) add(hopOf(hops, { key, ends: endsOfKey(key) }), carried)
    this.#last = connections
    this.#closed = closed
    clearTimeout(this.#forget)
    this.#forget = setTimeout(() => {
      this.#last = new Map()
      this.#closed = new Map()
    }, memoryMs).unref()
    return [...hops.values()].toSorted(byBytes)
  }
}

type CarriedFlow = Carried & { readonly flow: Flow }

/** The connections of one hop that carried most. */
export class FlowsOfHop implements FlowCounter {
  readonly #nameOf: (flow: Flow) => HopName
  readonly #wanted: string
  readonly #limit: number
  #found: CarriedFlow[] = []

  constructor(seen: readonly SeenPod[], ends: HopEnds, limit: number) {
    this.#nameOf = hopNamer(seen)
    this.#wanted = hopKey(ends)
    this.#limit = limit
  }

  add(flow: Flow): void {
    if (this.#nameOf(flow).key !== this.#wanted) return
    this.#found.push({ flow, ...bytesOf(flow) })
    // Now and then: a hop may have all the connections of the node.
    if (this.#found.length === 8 * this.#limit) this.#found = this.#most()
  }

  /** Those with the most bytes first. */
  flows(): Flow[] {
    return this.#most().map(({ flow }) => flow)
  }

  #most(): CarriedFlow[] {
    return this.#found.toSorted(byBytes).slice(0, this.#limit)
  }
}

/** Names the hop of a flow; each pair of namespaces is named once, because flows are many. */
function hopNamer(seen: readonly SeenPod[]): (flow: Flow) => HopName {
  const pods = podsByCookie(seen)
  const named = new Map<bigint | undefined, Map<bigint | undefined, HopName>>()
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
      toServers.set(server?.netnsCookie, (name = { ends, key: hopKey(ends) }))
    }
    return name
  }
}

interface HopName {
  readonly ends: HopEnds
  readonly key: string
}

/** An absent end is not one without a name. */
const hopKey = ({ client, server }: HopEnds): string => JSON.stringify([client, server])

function endsOfKey(key: string): HopEnds {
  const [client, server]: [string | null, string | null] = JSON.parse(key)
  return { ...(client !== null && { client }), ...(server !== null && { server }) }
}

function hopOf(hops: Map<string, Hop>, { ends, key }: HopName): Hop {
  let hop = hops.get(key)
  if (!hop) {
    hop = {
      ends,
      engaged: 0,
      plain: 0,
      reasons: {},
      redirectedBytes: 0n,
      tcpBytes: 0n,
      unreadBytes: 0n,
    }
    hops.set(key, hop)
  }
  return hop
}

function count(hop: Hop, flow: Flow): void {
  const { clientToServer, serverToClient } = flow
  hop.unreadBytes += BigInt(clientToServer.unreadBytes + serverToClient.unreadBytes)
  if (isEngaged(flow)) {
    hop.engaged += 1
  } else {
    const reason = clientToServer.reason ?? serverToClient.reason ?? 'unknown'
    hop.plain += 1
    hop.reasons[reason] = (hop.reasons[reason] ?? 0) + 1
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

function add(hop: Hop, { redirectedBytes, tcpBytes }: Carried): void {
  hop.redirectedBytes += redirectedBytes
  hop.tcpBytes += tcpBytes
}

function byBytes(one: Carried, other: Carried): number {
  return Number(other.redirectedBytes + other.tcpBytes - one.redirectedBytes - one.tcpBytes)
}
