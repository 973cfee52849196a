/** The savings by acceleration, by namespace. */

import type {
  AdviceBegunView,
  AdviceCostView,
  AdviceReportView,
  ConnectionSumsView,
  NamespaceAdviceView,
} from '../../api/views.ts'

/** The advice about a namespace. The counts are measured; `wouldJoin` and `savedCpu` are predictions. */
export interface NamespaceAdvice {
  readonly namespace: string
  /** The number of watched pods. */
  readonly pods: number
  readonly connections: number
  /** The share of connections with both ends in meshed pods of this node. */
  readonly bothHereShare: number
  readonly wouldJoin: ConnectionRates
  readonly wouldJoinShare: number
  readonly wouldNot: Readonly<Record<string, ConnectionRates>>
  readonly readers: NamespaceAdviceView['readers']
  /** Sockets that were opened and closed between two looks; at least this many. */
  readonly unseenSockets: number
  /** Processor time that the fast path would save, as a share of one core. */
  readonly savedCpu: number
}

export interface ConnectionRates {
  readonly connections: number
  readonly bytesPerSecond: number
  /** 0 unless the connections would join. */
  readonly turnsPerSecond: number
}

export interface Advice {
  readonly elapsedMs: number
  /** The namespace that would save the most comes first. */
  readonly namespaces: readonly NamespaceAdvice[]
  readonly watched: AdviceBegunView
  readonly cost: AdviceCostView & { readonly cpuShare: number }
}

/**
 * The processor time that a turn and a KiB save on the fast path, in microseconds: docs/ADVISE.md says how it was
 * measured. Other machines differ, but the order of namespaces hardly depends on it.
 */
export const savedPerTurnUs = 3
export const savedPerKibUs = 0.25

/** Pure. */
export function rank(begun: AdviceBegunView, report: AdviceReportView): Advice {
  const seconds = Math.max(report.elapsedMs, 1) / 1000
  const { cost } = report
  return {
    elapsedMs: report.elapsedMs,
    namespaces: report.namespaces
      .map((view) => adviceOf(view, seconds))
      .toSorted(
        (one, other) =>
          other.savedCpu - one.savedCpu ||
          other.wouldJoin.connections - one.wouldJoin.connections ||
          other.connections - one.connections ||
          one.namespace.localeCompare(other.namespace),
      ),
    watched: begun,
    cost: { ...cost, cpuShare: Number(cost.cpuUs) / 1e6 / seconds },
  }
}

function adviceOf(view: NamespaceAdviceView, seconds: number): NamespaceAdvice {
  const { namespace, pods, all, bothHere, readers } = view
  const wouldJoin = ratesOf(view.wouldJoin, seconds)
  const unproven = Object.values(readers.unproven).reduce((sum, ends) => sum + ends, 0)
  return {
    namespace,
    pods,
    connections: all.connections,
    bothHereShare: share(bothHere.connections, all.connections),
    wouldJoin,
    wouldJoinShare: share(wouldJoin.connections, all.connections),
    wouldNot: Object.fromEntries(
      Object.entries(view.wouldNot)
        .map(([reason, sums]) => [reason, ratesOf(sums, seconds)] as const)
        .toSorted(([, one], [, other]) => other.connections - one.connections),
    ),
    readers,
    // Some of the sockets that were seen are older. So this is too small rather than too large.
    unseenSockets: Math.max(0, Number(view.opened) - readers.proven - unproven),
    savedCpu: savedCpuOf(wouldJoin),
  }
}

/** As a share of one core. */
export function savedCpuOf({ turnsPerSecond, bytesPerSecond }: ConnectionRates): number {
  return (turnsPerSecond * savedPerTurnUs + (bytesPerSecond / 1024) * savedPerKibUs) / 1e6
}

function ratesOf(
  { connections, bytes, turns }: ConnectionSumsView,
  seconds: number,
): ConnectionRates {
  return {
    connections,
    bytesPerSecond: Number(bytes) / seconds,
    turnsPerSecond: Number(turns) / seconds,
  }
}

const share = (some: number, all: number): number => (all === 0 ? 0 : some / all)
