import { compare } from '../../../bench/comparisons.ts'
import { latencyOf } from '../../../bench/load/latency.ts'
import { type Cell, type Mode, modes } from '../../../bench/options.ts'
import type { Report, Run } from '../../../bench/report.ts'

/** The parts of a report besides figures. */
export const surroundings: Omit<Report, 'runs' | 'comparisons' | 'repeatedRounds'> = {
  startedAt: '2026-11-25T20:00:00.000Z',
  host: {
    kernel: '6.12.0',
    cpus: 2,
    congestionControl: 'cubic',
    cpuModel: 'A CPU <of> 1 & "2"',
    memoryBytes: 8 * 1024 ** 3,
    os: 'Debian GNU/Linux 12 (bookworm)',
  },
  software: { meshaccel: '0.1.0', haproxy: '2.6.12', h2load: '1.52.0' },
  pace: { warmUpMs: 400, leadMs: 1000, durationMs: 2000, programTimeMs: 1500 },
  proxy: 'haproxy',
  mesh: 'istio',
  precision: 0.03,
  ended: 'precise',
}

/** The speed of each mode, against iptables. */
type Speeds = Readonly<Partial<Record<Mode, number>>>

const usual: Speeds = { iptables: 1, meshaccel: 1.5, naive: 1.55, unix: 1.6, direct: 4 }

/** A report of runs that differ from round to round by a few per cent, the same each time. */
export function sampleReport(cells: readonly Cell[], speeds: Speeds = usual): Report {
  const runs = cells.flatMap((cell) =>
    modes.flatMap((mode) => {
      const speed = speeds[mode]
      return speed === undefined
        ? []
        : [1, 2, 3, 4, 5, 6].map((round) => run(cell, mode, round, speed))
    }),
  )
  return { ...surroundings, runs, comparisons: compare(runs), repeatedRounds: 0 }
}

/** A mode and a round have a deviation of their own, up to 1 %. */
const wobble = (mode: Mode, round: number): number =>
  (((modes.indexOf(mode) * 7 + round * 3) % 5) - 2) / 200

function run(cell: Cell, mode: Mode, round: number, speed: number): Run {
  const scale = 1 + cell.payloadBytes / 65536
  const qps =
    ((20_000 * speed) / scale) *
    (1 + 0.02 * (round - 3)) *
    (1 + wobble(mode, round)) *
    (1 + cell.connections / 64)
  const latencies = Array.from(
    { length: 5000 },
    (_, index) => (cell.connections * 4e5) / qps + 2e4 / qps / (1.0001 - index / 5000),
  )
  return {
    ...cell,
    mode,
    round,
    qps,
    ...latencyOf(latencies),
    cpuUsPerRequest: 1.6e6 / qps,
    errors: 0,
    redirectedShare: mode === 'meshaccel' ? 0.999 : 0,
    stealShare: 0,
  }
}
