/** The output of the programs in pods, one object per line. */

export interface ClientReport {
  /** Milliseconds since 1970, as in all reports: all are on one machine. */
  readonly at: number
  readonly requests: number
  /** Bytes in both directions, each compared. */
  readonly bytes: number
  /** Connections. */
  readonly opened: number
  readonly failed: number
  /** The last failure. */
  readonly error: string
}

/** The agent's metrics at a moment; undefined when it did not answer. */
export interface Sample {
  readonly at: number
  readonly redirectedBytes: number | undefined
}

/** The agent's cost. */
export interface Footprint {
  readonly rssMiB: number
  /** CPU share of one core over the measured time. */
  readonly cpuPercent: number
}
