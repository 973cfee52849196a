import { sameCell } from '../comparisons.ts'
import type { Distribution } from '../load/latency.ts'
import { type Cell, type Mode, modes } from '../options.ts'
import type { Report, Run } from '../report.ts'
import { median, type Spread, spread } from '../measure/statistics.ts'
import { type Bar, barChart } from './bars.ts'
import { formatNumber, formatTime } from './format.ts'
import { type Line, linePlot, plotArea } from './lines.ts'
import type { Markup } from '../../src/lib/markup.ts'
import { logScale, ninesScale } from './scale.ts'
import { ratioOf } from './text.ts'

/** The plots of one cell: speed, CPU time and the latency distribution. */
export function cellCharts(report: Report, cell: Cell): Markup[] {
  const stream = cell.scenario === 'stream'
  const runs = report.runs.filter((run) => sameCell(run, cell))
  const bars = (
    title: string,
    unit: string,
    figure: (run: Run) => number | undefined,
    ratio: (mode: Mode) => Spread | undefined,
  ): Markup[] => {
    const drawn = modes.flatMap((mode) => bar(runs, mode, figure, ratio(mode)))
    return drawn.length === 0 ? [] : [barChart(title, unit, drawn)]
  }
  return [
    ...bars(
      stream ? 'Throughput' : 'Speed',
      stream ? 'Gbit/s' : 'requests/s',
      ({ qps, gbps }) => qps ?? gbps,
      (mode) => ratioOf(report, cell, mode, 'iptables'),
    ),
    ...bars(
      'CPU time of all processes',
      stream ? 'µs per write' : 'µs per request',
      ({ cpuUsPerRequest }) => cpuUsPerRequest,
      (mode) =>
        report.comparisons.find(
          (each) => each.mode === mode && each.baseline === 'iptables' && sameCell(each, cell),
        )?.cpuRatio,
    ),
    ...latencyPlot(
      'Latency, as fast as it goes',
      runs,
      ({ latencyDistributionUs }) => latencyDistributionUs,
    ),
    ...latencyPlot(
      `Latency at ${formatNumber(runs.find(({ openLoop }) => openLoop)?.openLoop?.rate ?? 0)} requests/s`,
      runs,
      ({ openLoop }) => openLoop?.latencyDistributionUs,
    ),
  ]
}

function bar(
  runs: readonly Run[],
  mode: Mode,
  figure: (run: Run) => number | undefined,
  ratio: Spread | undefined,
): Bar[] {
  const rounds = runs.filter((run) => run.mode === mode).flatMap((run) => figure(run) ?? [])
  const over = spread(rounds)
  const note = ratio ? `${ratio.median.toFixed(2)}x` : ''
  return over ? [{ name: mode, spread: over, rounds, note }] : []
}

function latencyPlot(
  title: string,
  runs: readonly Run[],
  distribution: (run: Run) => Distribution | undefined,
): Markup[] {
  const lines = modes.flatMap((mode): Line[] => {
    const rounds = runs
      .filter((run) => run.mode === mode)
      .flatMap((run) => {
        const points = distribution(run)
        return points ? [points] : []
      })
    return rounds.length === 0 ? [] : [{ name: mode, points: overRounds(rounds) }]
  })
  const points = lines.flatMap((line) => line.points)
  if (points.length === 0) return []
  const { left, right, top, bottom } = plotArea
  const [low, high] = [points.map(({ y }) => y), points.map(({ x }) => x)]
  return [
    linePlot({
      title,
      unit: 'median of the rounds',
      xLabel: 'share of the requests',
      x: ninesScale(Math.max(...high), [left, right]),
      y: logScale([Math.min(...low), Math.max(...low)], [bottom, top], formatTime),
      lines,
    }),
  ]
}

/** The median of each share that all rounds have. */
function overRounds(rounds: readonly Distribution[]): Line['points'] {
  const [first = [], ...others] = rounds.map((points) => new Map(points))
  return [...first].flatMap(([x, us]) => {
    const values = [us, ...others.map((points) => points.get(x))]
    const known = values.filter((value) => value !== undefined)
    return known.length < values.length ? [] : [{ x, y: median(known) }]
  })
}
