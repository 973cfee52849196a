/** The totals and the open connections, from one walk over all ends. */

import { sumCounters } from '../maps/counters.ts'
import type { ConnectionGauge, Survey } from '../datapath.ts'
import { countConnections, flowPieces } from './flow-table.ts'
import { reasonNames } from '../generated-names.ts'
import type { GaugeRecord } from '../maps/generated.ts'
import type { Programs } from '../pins/programs.ts'

/**
 * Walks over every watched end, which takes some 0.3 us each. If some connections are not paired, it reads the flow
 * table, too.
 */
export async function survey(programs: Programs): Promise<Survey> {
  // The order matters. A connection that closes in between counts twice, which is better than not at all: no total may
  // decrease.
  const gauge = surveyGauge(programs)
  const totals = sumCounters(programs.counters.lookupPerCpu(0) ?? [])
  // Connections are paired only before they join. Until then their sequence numbers tell which ends belong together.
  const now =
    gauge.ends === 2 * gauge.paired ? gauge.paired : await countConnections(flowPieces(programs))
  return {
    counters: {
      redirectedBytes: totals.redirectedBytes,
      redirectedMessages: totals.redirectedMessages,
      tcpBytes: totals.tcpBytes + gauge.tcpBytes,
      tcpMessages: totals.tcpMessages,
      reasons: Object.fromEntries(
        reasonNames.flatMap((name, code) =>
          code === 0 ? [] : [[name, totals.reasons[code] ?? 0n]],
        ),
      ),
    },
    connections: connectionsOf(gauge, now),
    unreadBytes: gauge.unreadBytes,
  }
}

/** Runs the kernel's survey and returns its result. */
export function surveyGauge(programs: Programs): GaugeRecord {
  programs.survey.run()
  const gauge = programs.gauge.lookup(0)
  if (gauge === undefined) throw new Error('the gauge map is an array of one')
  return gauge
}

function connectionsOf(
  { joined, engaged, mixed, leaving }: GaugeRecord,
  now: number,
): ConnectionGauge {
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
