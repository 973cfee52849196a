/** The part of struct counters that users see. The page of the browser shares this file: it imports nothing of Node. */
export interface Totals {
  readonly redirectedBytes: bigint
  readonly redirectedMessages: bigint
  /** Bytes that connections of enrolled pods received by TCP. */
  readonly tcpBytes: bigint
  /** Sends of members that took TCP. */
  readonly tcpMessages: bigint
}
