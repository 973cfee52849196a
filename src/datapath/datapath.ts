/** The only interface between the control plane and the kernel. The code above it can be tested without root. */

import type { Exclusions } from '../pods/exclusions.ts'
import type { EventKind } from './generated-names.ts'
import type { Totals } from './totals.ts'

export type { Totals } from './totals.ts'
export { type EventKind, eventKindNames as eventKinds, type Reason } from './generated-names.ts'

/** The result of the self-test on this kernel. */
export type Policy = 'full' | 'strict' | 'proxies-only' | 'refused'

/** A pod as the data path knows it: its network namespace. */
export interface PodNetns {
  /** SO_NETNS_COOKIE of the namespace; never reused while the machine is up. */
  readonly netnsCookie: bigint
  /** A path that opens the namespace, such as /run/netns/cart or /proc/1234/ns/net. */
  readonly netnsPath: string
  /** The uid that the pod's sidecar runs as. */
  readonly proxyUid: number
  /** The sidecar's gid. It identifies a sidecar that runs as root. */
  readonly proxyGid?: number
  /** If absent, connections with a blocking reader stay on TCP. */
  readonly blockingReaders?: 'accelerate'
  /** Connections that never join; at most `maxRules` of each kind. */
  readonly exclusions?: Exclusions
}

/** The path that the bytes of one direction take. */
export type Path = 'redirect' | 'tcp' | 'mixed'

/** One end of a connection. */
export interface FlowEnd {
  readonly netnsCookie: bigint
  /** The socket's own address, as this end sees it: `10.0.0.1:8080`, `[fd00::1]:8080`. */
  readonly address: string
  /** The peer's address, as this end sees it. Set if the peer is not watched. */
  readonly remoteAddress?: string
  /** The pid of the last reader; 0 before the first read. */
  readonly readerPid: number
  /** The comm of the last reader; empty before the first read. */
  readonly readerComm: string
  readonly proven: boolean
  /** Why the end is not proven. */
  readonly unprovenReason?: string
}

/** Traffic that one end has sent to the other. */
export interface FlowDirection {
  readonly path: Path
  /** Why the path is not `redirect`. */
  readonly reason?: string
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
  /** Bytes that were redirected and not read yet. */
  readonly unreadBytes: number
}

/** A live connection of an enrolled pod. */
export interface Flow {
  /** The initial sequence numbers of client and server in hexadecimal: `1a2b3c4d:5e6f7081`. */
  readonly identity: string
  readonly ageMs: number
  readonly state: 'watched' | 'joining' | 'joined' | 'leaving'
  /** The ends that are in enrolled pods of this node. At least one is set. */
  readonly client?: FlowEnd
  readonly server?: FlowEnd
  readonly clientToServer: FlowDirection
  readonly serverToClient: FlowDirection
}

export interface Counters extends Totals {
  /** How often each reason kept a send, a connection or an end from the fast path; every known reason is there. */
  readonly reasons: Readonly<Record<string, bigint>>
}

/** A program of a pod that is kept off the fast path, because of its behaviour on a member. */
export interface Quarantined {
  readonly netnsCookie: bigint
  /** The process that caused the quarantine. It may have ended. */
  readonly readerPid: number
  readonly readerComm: string
  /** The fallback reason that caused the quarantine. */
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

/** Counters and gauges of the whole data path at one moment. */
export interface Survey {
  readonly counters: Counters
  readonly connections: ConnectionGauge
  /** Bytes that were redirected and not read yet, over all connections. */
  readonly unreadBytes: bigint
}

/**
 * The measurements and events to enable beyond the counters. They cost time for each message. If all are off, they cost
 * nothing.
 */
export interface MeasureSettings {
  /** Whether `measured()` returns histograms. */
  readonly histograms: boolean
  /**
   * The histograms measure one slice of time in this many, a power of two, and estimate the rest. Events and trials need
   * every message, so with them this is 1.
   */
  readonly oneIn: number
  /** Reads and requests that take at least this long are reported as events; 0: none. */
  readonly slowReadMs: number
  readonly slowRequestMs: number
  /** Whether to report that a direction fell back to TCP, or that a socket was refused. */
  readonly changes: boolean
  /** Netns cookies of the pods that `trial()` counts. */
  readonly trial: readonly bigint[]
}

/** The counts of a pod in a trial since it entered the trial: those of its programs, or those of its sidecar. */
export interface TrialCounts {
  readonly netnsCookie: bigint
  readonly isProxy: boolean
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
  /** The time of each request that it made as a client. */
  readonly requestSeconds: Omit<Histogram, 'sum'>
}

export interface Histogram {
  /** The inclusive upper bounds of all buckets except the last, which has none. */
  readonly bounds: readonly number[]
  /** Counts per bucket, not cumulative. There is one more than `bounds`. */
  readonly counts: readonly number[]
  readonly count: number
  readonly sum: number
}

/** Traffic from pods with one label to pods with another, on one path, since measuring began. */
export interface Measurement {
  /** `unknown`: the pod is not enrolled, or not on this node. `other`: the kernel's table is full. */
  readonly source: string
  readonly destination: string
  readonly path: 'redirect' | 'tcp'
  readonly messageBytes: Histogram
  /** From a client's first unanswered send to its next receive. The client is the source. */
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
  /** The connection, as the affected end sees it. Absent for quarantines. */
  readonly flow?: {
    readonly peerCookie: bigint
    readonly role: 'client' | 'server'
    readonly local: string
    readonly remote: string
    readonly path: 'redirect' | 'tcp'
    /** CLOCK_MONOTONIC. */
    readonly endedNs: bigint
    /** 0 for events without a duration. */
    readonly durationNs: bigint
  }
}

/** How long connections may take to leave, and what happens after that. */
export interface DrainOptions {
  readonly timeoutMs: number
  /** Resets connections that cannot leave because their readers do not read, instead of failing. */
  readonly force?: boolean
  /** The name of a pod in error messages. */
  readonly podOf?: (netnsCookie: bigint) => string | undefined
}

/**
 * The kernel side of the agent. Calls are synchronous system calls of at most a few milliseconds. Calls that walk over
 * all ends take 0.3 us for each end. A failed call throws a MeshaccelError and leaves the data path unchanged.
 */
export interface Datapath {
  readonly policy: Policy
  readonly refusedBecause?: string | undefined
  /** The answer of each self-test probe: whether it found what it expected. Empty if the self-test did not run. */
  readonly selfTest: Readonly<Record<string, boolean>>

  /** Netns cookies of the pods in the maps, including pods that an earlier agent enrolled. */
  enrolled(): ReadonlySet<bigint>
  /**
   * Watches the pod's new connections and adopts its running ones. Applies changes of the enrolment to all of them.
   * Idempotent.
   */
  enrol(pod: PodNetns): void
  /** Sends the pod's connections back to TCP; members leave as soon as they are drained. Idempotent. */
  withdraw(netnsCookie: bigint): void

  /** Whether redirecting is on. It is off from `drain()` until `resume()`, also across restarts of the agent. */
  readonly redirecting: boolean
  /**
   * Stops redirecting. Resolves when no socket is a member. After `timeoutMs` it rejects with DRAIN_TIMEOUT, which
   * names the readers that do not read. Draining continues after that.
   */
  drain(options: DrainOptions): Promise<void>
  resume(): void

  survey(): Promise<Survey>
  /** The live connections, each once, in batches. The event loop runs between batches. */
  flows(): AsyncIterable<readonly Flow[]>

  /** Programs that began to read in a way that redirected bytes do not survive. */
  quarantined(): Quarantined[]
  /** Lifts the quarantine of the programs for which `which` returns true. Returns their number. */
  forgive(which: (program: Quarantined) => boolean): number

  /** Replaces all earlier settings. Throws if the kernel refuses the programs. */
  measure(settings: MeasureSettings): void
  /** Sets the label under which a pod is measured, until the pod is withdrawn. */
  label(netnsCookie: bigint, label: string): void
  measured(): Measurement[]
  trial(): TrialCounts[]
  /** The number of events that were dropped because there were too many, since measuring began. */
  untold(): bigint
  /** Calls `listener` for every event until the result is disposed of. */
  listen(listener: (event: DatapathEvent) => void): Disposable

  /** Stops the scans and closes the kernel's objects. The pins stay, so that live connections continue. */
  close(): void | Promise<void>
}
