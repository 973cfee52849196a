/** The agent's reports about itself: the messages of control.proto, and the JSON of the command line. */

import type { GuardedView } from './views/guard.ts'
import type { HoldEventView, HoldRequest } from './views/hold.ts'
import type { Totals } from '../datapath/totals.ts'
import type { AdviceEventView, AdviceRunningView, AdviseRequest } from './views/advice.ts'
import type { TrialEventView, TrialRequest, TrialRunningView } from './views/trial.ts'

export type { GuardedView } from './views/guard.ts'
export type { HeldPodView, HoldEventView, HoldRequest, HoldWaitingView } from './views/hold.ts'
export type * from './views/advice.ts'
export type * from './views/trial.ts'
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
  /** Bytes that were redirected and not read yet, over all connections. */
  readonly unreadBytes: bigint
  readonly reasons: Readonly<Record<string, bigint>>
  /** The error in the pods file. Its last good content applies. */
  readonly podsFileError?: string
  readonly source: SourceView
  readonly trial?: TrialRunningView
  /** `namespace/name` of the pods that a capture holds on TCP. */
  readonly heldPods: readonly string[]
  readonly advice?: AdviceRunningView
  readonly guarded: readonly GuardedView[]
}

/** The source of pods. */
export interface SourceView {
  readonly name: string
  /** Whether it has reported all its pods once, and the reconciler has handled them. */
  readonly synced: boolean
  /** Why it cannot report its pods now. The last ones stay valid. */
  readonly error?: string | undefined
}

export interface PodView {
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  readonly mesh?: string
  readonly enrolled: boolean
  /** Why it is not enrolled. */
  readonly reason?: string
  /** The part that holds all its connections on TCP: `guard` or `capture`. Absent if none does. */
  readonly heldBy?: string
  /** The mistake in its annotations or its namespace's: a sentence without its full stop. */
  readonly problem?: string
  /** Half a sentence about its proxy, and about the traffic that its mesh redirects there. */
  readonly proxy?: string
  readonly netnsCookie?: bigint
  readonly ips: readonly string[]
  /** Live connections. `engaged`: at least one direction is redirected. `plain`: the others. */
  readonly connections: { readonly engaged: number; readonly plain: number }
  /** Bytes sent and received by redirect over its live connections. */
  readonly redirectedBytes: bigint
}

export interface ReaderView {
  readonly namespace: string
  readonly name: string
  /** The executable's path, or the short name if the process is gone. */
  readonly program: string
  readonly quarantined: boolean
  readonly evidence?: string
  readonly connections: {
    readonly proven: number
    /** Ends that are not proven, by reason. */
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
  /** The address of the other end, if that end is absent. */
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

/** An event of a reader or of a connection. */
export interface TraceEventView {
  /** Since 1970, in ms. */
  readonly timeMs: bigint
  readonly kind: string
  /** `namespace/name`; empty when no source reports the pod any more. */
  readonly pod: string
  readonly pid: number
  /** The short name of the process. */
  readonly process: string
  readonly reason?: string
  /** The pod at the other end, if it is known. */
  readonly peer?: string
  /** The connection, as the pod's end sees it. */
  readonly local?: string
  readonly remote?: string
  readonly role?: string
  readonly path?: string
  /** The duration of the read or request. */
  readonly durationUs?: bigint
  /** The number of events that were dropped before this one because there were too many. */
  readonly dropped: bigint
}

export interface TraceRequest {
  /** 0: no slow reads. */
  readonly slowReadMs: number
}

/** Selects connections. An empty field or 0 matches everything. */
export interface FlowFilter {
  /** `namespace/name` of an end. */
  readonly pod?: string
  /** A reason that holds for either direction. */
  readonly reason?: string
  /** A path that either direction takes. */
  readonly path?: string
  /** The maximum number of connections. */
  readonly limit?: number
}

/** The whole state at one moment, with connections added up per pair of pods. */
export interface OverviewView {
  readonly status: StatusView
  readonly pods: readonly PodView[]
  readonly readers: readonly ReaderView[]
  /** The pairs with the most bytes. */
  readonly hops: readonly HopView[]
  /** The number of pairs that are left out. */
  readonly moreHops: number
  readonly measuring: Measuring
  /** The pairs with the most requests. */
  readonly latencies: readonly PairLatencyView[]
}

/** The mode of measuring: see `agent --measure`. `refused`: the kernel refuses to measure. */
export type Measuring = 'off' | 'namespaces' | 'pods' | 'refused'

/** Request latencies from one group of pods to another, by path, since measuring began. */
export interface PairLatencyView {
  /**
   * `namespace`, or `namespace/name` if pods are measured separately. Also `unknown` for a pod that is not enrolled
   * here, and `other`.
   */
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

/** All live connections from one pod to another, or within one pod. */
export interface HopView {
  readonly ends: HopEnds
  /** Connections with at least one direction redirected. */
  readonly engaged: number
  readonly plain: number
  /** The plain connections by reason. */
  readonly reasons: Readonly<Record<string, number>>
  /** Includes connections that have closed while a client keeps asking, so that two overviews give a rate. */
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
  readonly unreadBytes: bigint
}

/** `namespace/name` of both ends. Absent if the end is not in an enrolled pod of this node. */
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
  /** Resets connections whose readers do not read, instead of failing. */
  readonly force?: boolean
}

/** A program of a pod. */
export type ReaderName = Pick<ReaderView, 'namespace' | 'name' | 'program'>

export type Empty = Readonly<Record<never, never>>

/** The agent's operations behind the control interface. Methods throw MeshaccelErrors. */
export interface Control {
  status(): Promise<StatusView>
  pods(): Promise<PodView[]>
  readers(): Promise<ReaderView[]>
  /** Returns the number of programs that were quarantined. */
  forgive(reader: ReaderName): number
  /** Yields chunks that fit into a message. The event loop runs between them. */
  flows(filter: FlowFilter): AsyncIterable<readonly FlowView[]>
  reasons(): Promise<Readonly<Record<string, bigint>>>
  /** Reports events until disposed of. */
  trace(request: TraceRequest, tell: (event: TraceEventView) => void): Disposable
  /** Runs a trial until its last window or the signal. Then everything is as before. */
  trial(request: TrialRequest, signal: AbortSignal): AsyncIterable<TrialEventView>
  /** Keeps a pod on TCP until the signal. Then everything is as before. */
  hold(request: HoldRequest, signal: AbortSignal): AsyncIterable<HoldEventView>
  /** Watches pods that are not enabled, until the time is up or the signal aborts. */
  advise(request: AdviseRequest, signal: AbortSignal): AsyncIterable<AdviceEventView>
  overview(): Promise<OverviewView>
  /** At most `limit` connections of one pair, those with the most bytes first. */
  hopFlows(ends: HopEnds, limit: number): Promise<FlowView[]>
  /** Resolves to whether it was already drained. */
  drain(request: DrainRequest): Promise<boolean>
  /** Returns whether redirecting was already on. */
  resume(): boolean
  /** Drains and removes everything. The agent ends after it has answered. */
  cleanup(request: DrainRequest): Promise<void>
}
