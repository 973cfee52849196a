import type { ConnectionSumsView, NamespaceAdviceView, PeerView } from '../../api/views/advice.ts'
import type { Connection, End } from './connection.ts'

/** Peers of a namespace to remember, and those of a report. A gateway may have any number. */
const peerLimit = 1_000
const reportedPeers = 50

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }
type Sums = Mutable<ConnectionSumsView>

const none = (): Sums => ({ connections: 0, bytes: 0n, turns: 0n })

function plus(sums: Sums, more: ConnectionSumsView): void {
  sums.connections += more.connections
  sums.bytes += more.bytes
  sums.turns += more.turns
}

/** Sums over the connections of a namespace. */
export class NamespaceSums {
  readonly #all = none()
  readonly #bothHere = none()
  readonly #wouldJoin = none()
  readonly #wouldNot = new Map<string, Sums>()
  #proven = 0
  readonly #unproven = new Map<string, number>()
  readonly #peers = new Map<string, Mutable<PeerView>>()
  #morePeers = 0

  add({ ends, bytes, bytesBefore, clientTurns, serverTurns, joins, reason }: Connection): void {
    const sums: ConnectionSumsView = {
      connections: 1,
      bytes: bytes > bytesBefore ? bytes - bytesBefore : 0n,
      // Both ends take the same turns. The kernel may have begun again with one of them.
      turns: joins ? BigInt(Math.max(clientTurns, serverTurns)) : 0n,
    }
    plus(this.#all, sums)
    if (ends.client && ends.server) plus(this.#bothHere, sums)
    plus(joins ? this.#wouldJoin : this.#ofReason(reason), sums)
  }

  addReader({ proven, unprovenReason = 'unseen' }: End): void {
    if (proven) this.#proven += 1
    else this.#addUnproven(unprovenReason, 1)
  }

  addPeer(peer: PeerView): void {
    const { pod, calls, address, port } = peer
    const key = `${pod} ${calls} ${address} ${port}`
    const known = this.#peers.get(key)
    if (known) {
      known.connections += peer.connections
      known.bytes += peer.bytes
    } else if (this.#peers.size < peerLimit) {
      this.#peers.set(key, { ...peer })
    } else {
      this.#morePeers += 1
    }
  }

  addAll(other: NamespaceSums): void {
    plus(this.#all, other.#all)
    plus(this.#bothHere, other.#bothHere)
    plus(this.#wouldJoin, other.#wouldJoin)
    for (const [reason, sums] of other.#wouldNot) plus(this.#ofReason(reason), sums)
    this.#proven += other.#proven
    for (const [reason, ends] of other.#unproven) this.#addUnproven(reason, ends)
    for (const peer of other.#peers.values()) this.addPeer(peer)
    this.#morePeers += other.#morePeers
  }

  view(): Omit<NamespaceAdviceView, 'namespace' | 'pods' | 'opened'> {
    const peers = [...this.#peers.values()].toSorted(
      (one, other) => Number(other.bytes - one.bytes) || other.connections - one.connections,
    )
    return {
      all: this.#all,
      bothHere: this.#bothHere,
      wouldJoin: this.#wouldJoin,
      wouldNot: Object.fromEntries(this.#wouldNot),
      readers: { proven: this.#proven, unproven: Object.fromEntries(this.#unproven) },
      peers: peers.slice(0, reportedPeers),
      morePeers: Math.max(peers.length - reportedPeers, 0) + this.#morePeers,
    }
  }

  #ofReason(reason: string): Sums {
    let sums = this.#wouldNot.get(reason)
    if (!sums) this.#wouldNot.set(reason, (sums = none()))
    return sums
  }

  #addUnproven(reason: string, ends: number): void {
    this.#unproven.set(reason, (this.#unproven.get(reason) ?? 0) + ends)
  }
}
