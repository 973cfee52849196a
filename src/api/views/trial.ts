/** The messages of a trial. */

/** The trial that runs now, and whether its namespace is accelerated at the moment. */
export interface TrialRunningView {
  readonly namespace: string
  readonly on: boolean
}

export interface TrialRequest {
  readonly namespace: string
  /** The length of each window. Its first `settleMs` do not count. */
  readonly windowMs: number
  readonly settleMs: number
  readonly pairs: number
  /** The seed of the windows' order. */
  readonly seed: number
}

/** First `begun`, then each window once it has ended. */
export interface TrialEventView {
  readonly begun?: TrialBegunView
  readonly window?: TrialWindowView
}

export interface TrialBegunView {
  /** `namespace/name` of the pods that take part. */
  readonly pods: readonly string[]
  readonly leftOut: readonly { readonly pod: string; readonly reason: string }[]
  /** How requests were measured before. */
  readonly measuring: string
}

export interface TrialWindowView {
  /** Counts from 1. */
  readonly pair: number
  /** Whether the namespace was accelerated. */
  readonly on: boolean
  /** Since the trial began. */
  readonly startMs: bigint
  readonly durationMs: bigint
  /** Requests that the pods' own programs made, and those that their sidecars made. */
  readonly programs: TrialRequestsView
  readonly proxies: TrialRequestsView
  /** Sent by the pods. */
  readonly redirectedBytes: bigint
  readonly tcpBytes: bigint
  /** Processor time of all pods. Absent if their cgroups are unknown. */
  readonly cpuUs?: bigint
  readonly cpu: readonly { readonly pod: string; readonly cpuUs: bigint }[]
}

export interface TrialRequestsView {
  readonly count: bigint
  /** 0 without requests. */
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
}
