/** The totals and the open connections, from one walk over all ends. */

import { sumCounters } from './counters.ts'
import type { ConnectionGauge, Survey } from './datapath.ts'
import { type GaugeRecord, reasons } from './layout.ts'
import type { Programs } from './programs.ts'

/** Walks over every watched end, which takes some 0.3 us each. */
export function survey(programs: Programs): Survey {
  // In this order: a connection that closes in between counts twice rather than not at all, and no total goes back.
  programs.survey.run()
  const gauge = programs.gauge.lookup(0)
  const totals = sumCounters(programs.counters.lookupPerCpu(0) ?? [])
  if (gauge === undefined) throw new Error('the gauge map is an array of one')
  return {
    counters: {
      redirectedBytes: totals.redirected_bytes,
      redirectedMessages: totals.redirected_messages,
      tcpBytes: totals.tcp_bytes + gauge.tcp_bytes,
      tcpMessages: totals.tcp_messages,
      reasons: Object.fromEntries(
        reasons.flatMap((name, code) => (code === 0 ? [] : [[name, totals.reasons[code] ?? 0n]])),
      ),
    },
    connections: connectionsOf(gauge),
    unreadBytes: gauge.unread_bytes,
  }
}

function connectionsOf({
  ends,
  paired,
  joined,
  engaged,
  mixed,
  leaving,
}: GaugeRecord): ConnectionGauge {
  // Two watched ends make a connection once they are paired; each other end is a connection of its own.
  const now = Math.max(paired, ends - paired)
  const members = Math.min(now, joined + leaving)
  return {
    now,
    watched: now - members,
    joined: members,
    engaged,
    plain: Math.max(0, now - engaged - mixed),
    mixed,
  }
}
