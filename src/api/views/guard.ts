/** The messages of the guard. */

/** The pods of a namespace that the guard watches by one limit. */
export interface GuardedView {
  readonly namespace: string
  /** How much slower acceleration may make the slowest requests, in percent. */
  readonly limitPercent: number
  /** Pairs of windows that count, at most the last 120. */
  readonly pairs: number
  /** The median of p99 with acceleration divided by p99 by TCP, over the last 15 pairs. Absent before the first pair. */
  readonly p99Ratio?: number
  /** The lower end of that ratio's one-sided interval. Absent if there are too few pairs. */
  readonly p99AtLeast?: number
  /** Since when the guard holds these pods on TCP, in ISO 8601. Absent if it does not. */
  readonly heldSince?: string
}
