/** What the agent tells about itself: the messages of control.proto, and the JSON of the command line. */

import type { Totals } from '../datapath/totals.ts'

export type { Reason } from '../datapath/generated-names.ts'

export type AgentState = 'accelerating' | 'disabled' | 'draining' | 'refused'

export interface StatusView {
  readonly state: AgentState
  readonly policy: string
  readonly refusedBecause?: string
  /** The running kernel's release. */
  readonly kernel: string
  readonly version: string
  readonly pods: { readonly seen: number; readonly enrolled: number }
  readonly connections: {
    readonly now: number
    readonly watched: number
    readonly joined: number
    readonly engaged: number
    readonly plain: number
    readonly mixed: number
  }
  readonly totals: Totals
  /** Whether each probe of the self-test found what it hoped for; none where it did not run. */
  readonly selfTest: Readonly<Record<string, boolean>>
  /** Redirected and not yet read, over all connections. */
  readonly unreadBytes: bigint
  readonly reasons: Readonly<Record<string, bigint>>
  /** What is wrong with the pods file; its last good content applies. */
  readonly podsFileError?: string
  readonly source: SourceView
}

/** Where pods come from. */
export interface SourceView {
  readonly name: string
  /** Whether all its pods were told once, and acted upon. */
  readonly synced: boolean
  /** Why it cannot tell them now; the last ones count. */
  readonly error?: string | undefined
}

export interface PodView {
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  readonly mesh?: string
  readonly enrolled: boolean
  /** Why not, when it is not enrolled. */
  readonly reason?: string
  /** What is wrong with its annotations or its namespace's: a sentence without its full stop. */
  readonly problem?: string
  /** Its proxy in words, and what its mesh sends there: half a sentence. */
  readonly proxy?: string
  readonly netnsCookie?: bigint
  readonly ips: readonly string[]
  /** Live ones: with at least one direction redirected, and the others. */
  readonly connections: { readonly engaged: number; readonly plain: number }
  /** Sent and received by redirect over its live connections. */
  readonly redirectedBytes: bigint
}

export interface ReaderView {
  readonly namespace: string
  readonly name: string
  /** The executable's path, or its short name when the process is gone. */
  readonly program: string
  readonly quarantined: boolean
  readonly evidence?: string
  readonly connections: {
    readonly proven: number
    /** By the reason why they are not proven. */
    readonly unproven: Readonly<Record<string, number>>
  }
}

export interface FlowView {
  readonly identity: string
  readonly state: string
  readonly ageMs: bigint
  readonly client?: FlowEndView
  readonly server?: FlowEndView
  readonly directions: readonly FlowDirectionView[]
}

export interface FlowEndView {
  /** `namespace/name`; empty when no source reports the pod any more. */
  readonly pod: string
  readonly address: string
  /** The address of the other end, where that is absent. */
  readonly remote?: string
}

export interface FlowDirectionView {
  readonly from: string
  readonly path: string
  readonly reason?: string
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
  readonly unreadBytes: bigint
}

/** Something that has just happened to a reader or to a connection. */
export interface TraceEventView {
  /** Since 1970. */
  readonly timeMs: bigint
  readonly kind: string
  /** `namespace/name`; empty when no source reports the pod any more. */
  readonly pod: string
  readonly pid: number
  /** The short name of the process. */
  readonly process: string
  readonly reason?: string
  /** The pod at the other end, where it is known. */
  readonly peer?: string
  /** The connection, as the pod's end sees it. */
  readonly local?: string
  readonly remote?: string
  readonly role?: string
  readonly path?: string
  /** How long it took. */
  readonly durationUs?: bigint
  /** Events that were left out before this one, because there were too many. */
  readonly dropped: bigint
}

export interface TraceRequest {
  /** 0: no slow reads. */
  readonly slowReadMs: number
}

/** Which connections are asked for; what is empty or 0 does not matter. */
export interface FlowFilter {
  /** `namespace/name` of an end. */
  readonly pod?: string
  /** Of a direction. */
  readonly reason?: string
  /** Of a direction. */
  readonly path?: string
  /** At most so many. */
  readonly limit?: number
}

/** Everything at one moment, the connections added up per hop. */
export interface OverviewView {
  readonly status: StatusView
  readonly pods: readonly PodView[]
  readonly readers: readonly ReaderView[]
  /** Those with the most bytes. */
  readonly hops: readonly HopView[]
  /** How many hops there are besides. */
  readonly moreHops: number
  readonly measuring: Measuring
  /** Those with the most requests. */
  readonly latencies: readonly PairLatencyView[]
}

/** What the kernel measures requests by: see `agent --measure`; `refused` where it cannot. */
export type Measuring = 'off' | 'namespaces' | 'pods' | 'refused'

/** How long requests took from one group of pods to another, by their path, since measuring began. */
export interface PairLatencyView {
  /** `namespace`, or `namespace/name` where pods are told apart; `unknown` for one that is not enrolled here, `other`. */
  readonly source: string
  readonly destination: string
  readonly redirect?: LatencyView
  readonly tcp?: LatencyView
}

/** From a client's send to the first byte of the answer. Quantiles are estimates: the buckets are powers of two. */
export interface LatencyView {
  readonly requests: bigint
  readonly meanUs: number
  readonly medianUs: number
  readonly p99Us: number
}

/** All live connections from one pod to another, or within one. */
export interface HopView {
  readonly ends: HopEnds
  /** With at least one direction redirected. */
  readonly engaged: number
  readonly plain: number
  /** Why the plain ones are. */
  readonly reasons: Readonly<Record<string, number>>
  /** Of connections that have closed, too, while somebody keeps looking: good for rates. */
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
  readonly unreadBytes: bigint
}

/** `namespace/name` of both; absent when the end is not in an enrolled pod of this node. */
export interface HopEnds {
  readonly client?: string
  readonly server?: string
}

/** The requests and responses of the service Control, by method. */
export interface ControlMethods {
  readonly Status: { readonly request: Empty; readonly response: StatusView }
  readonly Pods: { readonly request: Empty; readonly response: { readonly pods: PodView[] } }
  readonly Readers: {
    readonly request: Empty
    readonly response: { readonly readers: ReaderView[] }
  }
  readonly Forgive: {
    readonly request: ReaderName
    readonly response: { readonly forgiven: number }
  }
  readonly Reasons: {
    readonly request: Empty
    readonly response: { readonly reasons: Readonly<Record<string, bigint>> }
  }
  readonly Overview: { readonly request: Empty; readonly response: OverviewView }
  readonly HopFlows: {
    readonly request: { readonly ends: HopEnds | null; readonly limit: number }
    readonly response: { readonly flows: FlowView[] }
  }
  readonly Drain: {
    readonly request: DrainRequest
    readonly response: { readonly already: boolean }
  }
  readonly Resume: { readonly request: Empty; readonly response: { readonly already: boolean } }
  readonly Cleanup: {
    readonly request: DrainRequest
    readonly response: Empty
  }
}

export interface DrainRequest {
  readonly timeoutMs: number
  /** Resets the connections whose readers do not read, rather than failing. */
  readonly force?: boolean
}

/** A program of a pod. */
export type ReaderName = Pick<ReaderView, 'namespace' | 'name' | 'program'>

export type Empty = Readonly<Record<never, never>>

/** The agent behind the control interface. Methods throw MeshaccelErrors. */
export interface Control {
  status(): Promise<StatusView>
  pods(): Promise<PodView[]>
  readers(): Promise<ReaderView[]>
  /** How many were quarantined. */
  forgive(reader: ReaderName): number
  /** In chunks that fit into a message; the agent does other things between them. */
  flows(filter: FlowFilter): AsyncIterable<readonly FlowView[]>
  reasons(): Promise<Readonly<Record<string, bigint>>>
  /** Tells events until disposed of. */
  trace(request: TraceRequest, tell: (event: TraceEventView) => void): Disposable
  overview(): Promise<OverviewView>
  /** At most `limit` connections of one hop, those with the most bytes first. */
  hopFlows(ends: HopEnds, limit: number): Promise<FlowView[]>
  /** Resolves to whether there was nothing to do. */
  drain(request: DrainRequest): Promise<boolean>
  /** Whether there was nothing to do. */
  resume(): boolean
  /** Drains and removes everything; the agent ends once this is answered. */
  cleanup(request: DrainRequest): Promise<void>
}
