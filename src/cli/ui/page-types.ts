import type {
  FlowView,
  HopEnds,
  HopView,
  LatencyView,
  OverviewView,
  PairLatencyView,
  PodView,
  ReaderView,
  StatusView,
} from '../../api/views.ts'
import type { Words } from '../output/reason-words.ts'

/** As JSON brings it: 64 bits as the nearest number. */
type Json<T> = T extends bigint
  ? number
  : T extends object
    ? { readonly [Key in keyof T]: Json<T[Key]> }
    : T

/** What the page asks for once a second. */
export interface Page<Overview> {
  /** The node's name. */
  readonly node: string
  /** When the agent was asked, in milliseconds of a clock that only goes forward. */
  readonly atMs: number
  /** How long the answer took. */
  readonly tookMs: number
  readonly overview: Overview
  readonly policyMeans: string
  /** What the self-test has found, in the order of its probes; none where it did not run. */
  readonly probes: readonly ProbeFinding[]
  /** What the reasons in it mean. */
  readonly words: {
    readonly pods: Readonly<Record<string, Words>>
    readonly traffic: Readonly<Record<string, Words>>
  }
}

/** As `meshaccel doctor` has it. */
export interface ProbeFinding {
  readonly name: string
  readonly verdict: string
  readonly means: string
  readonly hint?: string
}

/** The connections of one hop. */
export interface HopFlows<View> {
  readonly flows: readonly View[]
  readonly words: Readonly<Record<string, Words>>
}

/** Why there is no answer. */
export interface ErrorData {
  readonly error: string
  readonly hint?: string
}

// As the page gets them.
export type PageData = Page<Json<OverviewView>>
export type HopFlowsData = HopFlows<Flow>
export type Hop = Json<HopView>
export type Ends = HopEnds
export type Flow = Json<FlowView>
export type Latencies = Json<PairLatencyView>
export type Latency = Json<LatencyView>
export type Pod = Json<PodView>
export type Reader = Json<ReaderView>
export type Status = Json<StatusView>
