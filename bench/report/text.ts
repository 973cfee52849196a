import { aligned, columnWidths } from '../../src/lib/columns.ts'
import type { RatioInterval } from '../../src/lib/paired-ratio.ts'
import { cells, sameCell, speedRatio } from '../comparisons.ts'
import { type Cell, formatSize, type Mode, modes } from '../options.ts'
import { removedShare } from '../measure/removed-share.ts'
import type { Report, Run } from '../report.ts'
import { outcomeOf } from '../measure/intervals.ts'
import { median } from '../measure/statistics.ts'
import { meshes } from '../topology/mesh.ts'
import { counted, formatNumber } from './format.ts'

const GAP = '  '
/** Bounds that are further apart than this factor are noise. */
const TELLING = 20

/** The report as text: one table per cell, each with its verdict in words. */
export function renderReport(report: Report): string {
  const { runs, repeatedRounds } = report
  const rounds = new Set(runs.map(({ round }) => round)).size
  const head =
    `${subject(report)}\n` +
    `Medians of ${counted(rounds, 'round')}; ratios within a round (95 % interval)` +
    `${repeatedRounds > 0 ? `; ${counted(repeatedRounds, 'round')} repeated for stolen CPU time` : ''}\n` +
    unreached(report)
  return [head, ...cells(runs).map((cell) => renderCell(report, cell))].join('\n')
}

/** A bench that the time limit has ended may have intervals that are wider than asked for. */
function unreached({ ended, precision }: Report): string {
  if (ended !== 'time') return ''
  return `The time was up before each ratio was known to ${percentText(precision)}; a longer --time-limit makes the intervals narrower\n`
}

/** For example `3 %`. */
export const percentText = (share: number): string => `${Number((share * 100).toFixed(1))} %`

/** For example `HAProxy sidecars behind Istio's rules (iptables-nft), Linux 6.12.0, 2 CPUs, cubic`. */
export function subject(report: Report): string {
  const { proxy, mesh, host } = report
  return (
    `${proxyTitles[proxy]} sidecars behind ${meshes[mesh].title}'s rules ` +
    `(${redirectsIn(report).join(', ')}), ` +
    `Linux ${host.kernel}, ${host.cpus} CPUs, ${host.congestionControl}`
  )
}

const proxyTitles: Readonly<Record<Report['proxy'], string>> = {
  haproxy: 'HAProxy',
  envoy: 'Envoy',
  'linkerd2-proxy': 'linkerd2-proxy',
}

const redirectsIn = ({ runs }: Report): string[] => [
  ...new Set(runs.map(({ redirect }) => redirect)),
]

/** The rows of one cell's table, titles first. The first number of a row is in its second column. */
export function cellRows(report: Report, cell: Cell): string[][] {
  const ofCell = report.runs.filter((run) => sameCell(run, cell))
  const stream = cell.scenario === 'stream'
  const middle = (mode: Mode, figure: (run: Run) => number | undefined, digits = 0): string => {
    const values = ofCell.filter((run) => run.mode === mode).map(figure)
    const known = values.filter((value) => value !== undefined)
    return known.length === 0 ? '' : formatNumber(median(known), digits)
  }
  const columns: (readonly [title: string, text: (mode: Mode) => string])[] = [
    ['mode', (mode) => mode],
    stream
      ? ['Gbit/s', (mode) => middle(mode, ({ gbps }) => gbps, 2)]
      : ['requests/s', (mode) => middle(mode, ({ qps }) => qps)],
    ['against iptables', (mode) => ratioText(ratioOf(report, cell, mode, 'iptables'))],
    ['p50 us', (mode) => middle(mode, ({ latencyUs }) => latencyUs?.p50)],
    ['p99 us', (mode) => middle(mode, ({ latencyUs }) => latencyUs?.p99)],
    ['p50 us at rate', (mode) => middle(mode, ({ openLoop }) => openLoop?.latencyUs.p50)],
    ['p99 us at rate', (mode) => middle(mode, ({ openLoop }) => openLoop?.latencyUs.p99)],
    [
      stream ? 'CPU us/write' : 'CPU us/request',
      (mode) => middle(mode, ({ cpuUsPerRequest }) => cpuUsPerRequest, 1),
    ],
    [
      'redirected %',
      (mode) => middle(mode, ({ redirectedShare: share }) => share && share * 100, 1),
    ],
    ['verdict ns', (mode) => middle(mode, ({ verdictNs }) => verdictNs)],
    ['pairing ns', (mode) => middle(mode, ({ pairingNs }) => pairingNs)],
  ]
  const present = modes.filter((mode) => ofCell.some((run) => run.mode === mode))
  const filled = columns.filter(([, text]) => present.some((mode) => text(mode) !== ''))
  return [
    filled.map(([title]) => title),
    ...present.map((mode) => filled.map(([, text]) => text(mode))),
  ]
}

export function cellTitle(report: Report, cell: Cell): string {
  const { scenario, payloadBytes, connections, redirect } = cell
  const size = formatSize(payloadBytes)
  const what = scenario === 'stream' ? `writes of ${size}` : size
  const how = redirectsIn(report).length > 1 ? `, ${redirect}` : ''
  return `${scenario}: ${what}, ${counted(connections, 'connection')}${how}`
}

/** Lines about meshaccel's gain, and about the cost of observing if that was measured. */
export function verdictLines(report: Report, cell: Cell): string[] {
  const cost = ratioOf(report, cell, 'observed', 'meshaccel')
  return [
    gainLine(report, cell),
    cost &&
      `observed: ${unsure(cost)}${cost.median.toFixed(3)}x the speed of meshaccel ${range(cost, 3)}`,
  ].filter((line) => line !== undefined)
}

/**
 * For example `meshaccel: 1.52x the requests of iptables (1.48-1.60), 83 % of the way to Unix sockets`, or `meshaccel: not
 * sure: 1.02x the requests of iptables (0.97-1.08)`.
 */
function gainLine(report: Report, cell: Cell): string | undefined {
  const mode = ['meshaccel', 'naive'].find((each): each is Mode =>
    report.runs.some((run) => run.mode === each && sameCell(run, cell)),
  )
  if (mode === undefined) return undefined
  const ratio = ratioOf(report, cell, mode, 'iptables')
  if (!ratio) return undefined
  const what = cell.scenario === 'stream' ? 'the throughput' : 'the requests'
  const way = isSure(ratio) ? removedShare(report.runs, cell, mode) : undefined
  return (
    `${mode}: ${unsure(ratio)}${ratio.median.toFixed(2)}x ${what} of iptables ${range(ratio)}` +
    (way ? `, ${wayText(way.median)}` : '')
  )
}

const wayText = (share: number): string =>
  share > 1
    ? 'faster than over Unix sockets'
    : `${Math.round(share * 100)} % of the way to Unix sockets`

/** For example `direct could not send 3 % of the requests at 20,000 requests/s`. */
function lateLines({ runs }: Report, cell: Cell): string[] {
  return modes.flatMap((mode) => {
    const rated = runs.flatMap((run) =>
      run.mode === mode && sameCell(run, cell) && run.openLoop ? [run.openLoop] : [],
    )
    const most = Math.max(0, ...rated.map(({ unsentShare }) => unsentShare))
    const rate = formatNumber(rated[0]?.rate ?? 0)
    return most === 0
      ? []
      : [
          `${mode} is too slow for ${rate} requests/s: ${Math.ceil(most * 100)} % of them were not sent`,
        ]
  })
}

/** For example `naive broke in 2 rounds: run sender: ...`. */
export function failureLines(report: Report, cell: Cell): string[] {
  const { runs } = report
  const failed = runs.filter((run) => run.failure !== undefined && sameCell(run, cell))
  const broke = modes.flatMap((mode) => {
    const [first, ...others] = failed.filter((run) => run.mode === mode)
    return first
      ? [`${mode} broke in ${counted(others.length + 1, 'round')}: ${first.failure}`]
      : []
  })
  return [...broke, ...lateLines(report, cell)]
}

function renderCell(report: Report, cell: Cell): string {
  const rows = cellRows(report, cell)
  const widths = columnWidths(rows)
  const lines = rows.map((row) =>
    row
      .map((text, column) => aligned(text, widths[column] ?? 0, column > 0))
      .join(GAP)
      .trimEnd(),
  )
  return `${[
    cellTitle(report, cell),
    ...lines,
    ...failureLines(report, cell),
    ...verdictLines(report, cell),
  ].join('\n')}\n`
}

export function ratioOf(
  report: Report,
  cell: Cell,
  mode: Mode,
  baseline: Mode,
): RatioInterval | undefined {
  const comparison = report.comparisons.find(
    (each) => each.mode === mode && each.baseline === baseline && sameCell(each, cell),
  )
  return comparison && speedRatio(comparison)
}

/** For example `1.52 (1.48-1.60)`. */
const ratioText = (ratio: RatioInterval | undefined): string =>
  ratio ? `${ratio.median.toFixed(2)} ${range(ratio)}` : ''

const isSure = (ratio: RatioInterval): boolean => outcomeOf(ratio) !== 'not-sure'

const unsure = (ratio: RatioInterval): string => (isSure(ratio) ? '' : 'not sure: ')

/** The interval in brackets. One round has none, and that of a few rounds may be too wide to say anything. */
export function range({ low, high, pairs }: RatioInterval, digits = 2): string {
  if (pairs < 2) return '(one round)'
  if (high > TELLING * low) return '(too few rounds)'
  return `(${low.toFixed(digits)}-${high.toFixed(digits)})`
}
