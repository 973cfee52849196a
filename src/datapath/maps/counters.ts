import { type CountersRecord, reasons } from './layout.ts'

/** Adds up the counters of all CPUs. */
export function sumCounters(perCpu: readonly CountersRecord[]): CountersRecord {
  const sum = (pick: (record: CountersRecord) => bigint): bigint =>
    perCpu.reduce((total, record) => total + pick(record), 0n)
  return {
    redirected_bytes: sum((r) => r.redirected_bytes),
    redirected_messages: sum((r) => r.redirected_messages),
    tcp_bytes: sum((r) => r.tcp_bytes),
    tcp_messages: sum((r) => r.tcp_messages),
    joins: sum((r) => r.joins),
    leaves: sum((r) => r.leaves),
    kicks: sum((r) => r.kicks),
    watched: sum((r) => r.watched),
    closed: sum((r) => r.closed),
    reasons: reasons.map((_, code) => sum((r) => r.reasons[code] ?? 0n)),
  }
}
