/** What the programs in pods print, one object a line. */

export interface ClientReport {
  /** Milliseconds since 1970, as everywhere here: all is on one machine. */
  readonly at: number
  readonly requests: number
  /** In both directions, each compared. */
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

/** What the agent costs. */
export interface Footprint {
  readonly rssMiB: number
  /** Of one core, over the time it was watched. */
  readonly cpuPercent: number
}
