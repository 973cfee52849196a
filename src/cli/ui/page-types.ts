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
import type { Words } from '../output/words/reason.ts'

/** The type after JSON: 64-bit numbers become the nearest number. */
type Json<T> = T extends bigint
  ? number
  : T extends object
    ? { readonly [Key in keyof T]: Json<T[Key]> }
    : T

/** The page's data, which it requests once a second. */
export interface Page<Overview> {
  /** The node's name. */
  readonly node: string
  /** The time of the request, in milliseconds of a monotonic clock. */
  readonly atMs: number
  /** The duration of the request. */
  readonly tookMs: number
  readonly overview: Overview
  readonly policyMeans: string
  /** The self-test's results in the order of its probes; empty if it did not run. */
  readonly probes: readonly ProbeFinding[]
  /** The meanings of the reasons in the overview. */
  readonly words: {
    readonly pods: Readonly<Record<string, Words>>
    readonly traffic: Readonly<Record<string, Words>>
  }
}

/** A probe's result, as `meshaccel doctor` shows it. */
export interface ProbeFinding {
  readonly name: string
  readonly verdict: string
  readonly means: string
  readonly hint?: string
}

/** The connections of one pair of pods. */
export interface HopFlows<View> {
  readonly flows: readonly View[]
  readonly words: Readonly<Record<string, Words>>
}

/** An error instead of an answer. */
export interface ErrorData {
  readonly error: string
  readonly hint?: string
}

// The types that the page receives.
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
