/** The one door between the control plane and the kernel: everything above it can be tested without root. */

import type { Exclusions } from '../pods/exclusions.ts'
import type { EventKind } from './generated-names.ts'
import type { Totals } from './totals.ts'

export type { Totals } from './totals.ts'
export { type EventKind, eventKindNames as eventKinds, type Reason } from './generated-names.ts'

/** What the self-test allows on this kernel. */
export type Policy = 'full' | 'strict' | 'proxies-only' | 'refused'

/** A pod as the data path knows it: its network namespace. */
export interface PodNetns {
  /** SO_NETNS_COOKIE of the namespace; never reused while the machine is up. */
  readonly netnsCookie: bigint
  /** A path that opens the namespace, such as /run/netns/cart or /proc/1234/ns/net. */
  readonly netnsPath: string
  /** The uid that the pod's sidecar runs as. */
  readonly proxyUid: number
  /** Its gid, which tells it from others where it runs as root. */
  readonly proxyGid?: number
  /** Absent: connections whose reader blocks stay on TCP. */
  readonly blockingReaders?: 'accelerate'
  /** What never joins; at most `maxRules` of each kind. */
  readonly exclusions?: Exclusions
}

/** The path that the bytes of one direction take. */
export type Path = 'redirect' | 'tcp' | 'mixed'

/** One end of a connection. */
export interface FlowEnd {
  readonly netnsCookie: bigint
  /** The socket's own address as the end sees it: `10.0.0.1:8080`, `[fd00::1]:8080`. */
  readonly address: string
  /** The other end's address as this one sees it, where the other end is not watched. */
  readonly remoteAddress?: string
  /** The process that read last, 0 until something was read. */
  readonly readerPid: number
  /** The reader's comm, empty until something was read. */
  readonly readerComm: string
  readonly proven: boolean
  /** Why the end is not proven. */
  readonly unprovenReason?: string
}

/** What one end has sent to the other. */
export interface FlowDirection {
  readonly path: Path
  /** Why the path is not `redirect`. */
  readonly reason?: string
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
  /** Redirected and not yet read. */
  readonly unreadBytes: number
}

/** A live connection of an enrolled pod. */
export interface Flow {
  /** The initial sequence numbers of client and server in hexadecimal: `1a2b3c4d:5e6f7081`. */
  readonly identity: string
  readonly ageMs: number
  readonly state: 'watched' | 'joining' | 'joined' | 'leaving'
  /** The ends on this node inside enrolled pods: at least one of the two is there. */
  readonly client?: FlowEnd
  readonly server?: FlowEnd
  readonly clientToServer: FlowDirection
  readonly serverToClient: FlowDirection
}

export interface Counters extends Totals {
  /** How often each reason kept a send, a connection or an end from the fast path; every known reason is there. */
  readonly reasons: Readonly<Record<string, bigint>>
}

/** A program of a pod that is kept off the fast path, because of what it did on a member. */
export interface Quarantined {
  readonly netnsCookie: bigint
  /** The process that gave the evidence; it may have ended. */
  readonly readerPid: number
  readonly readerComm: string
  /** The evidence. */
  readonly reason: string
}

/** Connections of enrolled pods that are open now. */
export interface ConnectionGauge {
  readonly now: number
  readonly watched: number
  readonly joined: number
  readonly engaged: number
  readonly plain: number
  readonly mixed: number
}

/** One look at everything. */
export interface Survey {
  readonly counters: Counters
  readonly connections: ConnectionGauge
  /** Redirected and not yet read, over all connections. */
  readonly unreadBytes: bigint
}

/** What to measure beyond the counters, and to tell. It costs something with each message, and nothing while all is off. */
export interface MeasureSettings {
  /** Whether `measured()` has something to tell. */
  readonly histograms: boolean
  /** Reads and requests are told that took so long or longer; 0: none. */
  readonly slowReadMs: number
  readonly slowRequestMs: number
  /** Whether it is told that a direction fell back to TCP, and that a socket is refused. */
  readonly changes: boolean
}

export interface Histogram {
  /** The upper bounds, inclusive, of all buckets but the last. */
  readonly bounds: readonly number[]
  /** By bucket, not cumulative: one more than bounds. */
  readonly counts: readonly number[]
  readonly count: number
  readonly sum: number
}

/** What pods of one label sent to those of another one by one path, since measuring began. */
export interface Measurement {
  /** `unknown` for a pod that is not enrolled or not on this node, `other` for what is beyond the kernel's table. */
  readonly source: string
  readonly destination: string
  readonly path: 'redirect' | 'tcp'
  readonly messageBytes: Histogram
  /** From a client's first send without an answer to its next receive; the client is the source. */
  readonly requestSeconds: Histogram
  /** From the arrival of the oldest unread byte at the destination to its receive. */
  readonly readDelaySeconds: Histogram
}

/** Something that has just happened to a reader or to a connection. */
export interface DatapathEvent {
  readonly kind: EventKind
  readonly netnsCookie: bigint
  readonly pid: number
  readonly comm: string
  readonly reason?: string
  /** The connection, as the end sees it that it happened to; quarantines have none. */
  readonly flow?: {
    readonly peerCookie: bigint
    readonly role: 'client' | 'server'
    readonly local: string
    readonly remote: string
    readonly path: 'redirect' | 'tcp'
    /** CLOCK_MONOTONIC. */
    readonly endedNs: bigint
    /** 0 for what takes no time. */
    readonly durationNs: bigint
  }
}

/** How long connections may take to leave, and what then. */
export interface DrainOptions {
  readonly timeoutMs: number
  /** Resets those that cannot leave because nobody reads, rather than giving up. */
  readonly force?: boolean
  /** What the error calls a pod. */
  readonly podOf?: (netnsCookie: bigint) => string | undefined
}

/**
 * The kernel side of the agent. Calls are synchronous system calls of at most a few milliseconds, 0.3 us for each end
 * where they walk over all; a failed one throws a MeshaccelError and leaves the data path as it was.
 */
export interface Datapath {
  readonly policy: Policy
  readonly refusedBecause?: string | undefined
  /** Whether each probe of the self-test found what it hoped for; none where it was told not to run. */
  readonly selfTest: Readonly<Record<string, boolean>>

  /** Netns cookies of the pods in the maps, those of an earlier agent included. */
  enrolled(): ReadonlySet<bigint>
  /**
   * Watches the pod's new connections and takes over its running ones; applies what has changed in the enrolment to all
   * of them. Idempotent.
   */
  enrol(pod: PodNetns): void
  /** Sends the pod's connections back to TCP; members leave as soon as they are drained. Idempotent. */
  withdraw(netnsCookie: bigint): void

  /** Whether redirecting is on: false from `drain()` to `resume()`, and kept over a restart of the agent. */
  readonly redirecting: boolean
  /**
   * Stops redirecting; resolves when no socket is a member any more. Rejects after `timeoutMs` with DRAIN_TIMEOUT, which
   * names who does not read; draining goes on.
   */
  drain(options: DrainOptions): Promise<void>
  resume(): void

  survey(): Promise<Survey>
  /** The live connections, each once; between two batches everybody else has his turn. */
  flows(): AsyncIterable<readonly Flow[]>

  /** Programs that turned to reading in a way that redirected bytes do not survive. */
  quarantined(): Quarantined[]
  /** Trusts the pod's programs again for which `which` is true; tells how many. */
  forgive(which: (program: Quarantined) => boolean): number

  /** Measures this from now on, whatever was set before. Throws when the kernel refuses the programs. */
  measure(settings: MeasureSettings): void
  /** Under which label a pod is measured; until it is withdrawn. */
  label(netnsCookie: bigint, label: string): void
  measured(): Measurement[]
  /** Events that were not told because there were too many, since measuring began. */
  untold(): bigint
  /** Hears of every event until disposed of. */
  listen(listener: (event: DatapathEvent) => void): Disposable

  /** Stops the scans and lets go of the kernel's objects; pins stay, so that live connections keep going. */
  close(): void | Promise<void>
}
