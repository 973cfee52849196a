import { cells } from '../comparisons.ts'
import { type Cell, formatSize, modes } from '../options.ts'
import type { Report } from '../report.ts'
import { counted, formatShort } from './format.ts'
import { type Line, linePlot, plotArea } from './lines.ts'
import type { Markup } from '../../src/lib/markup.ts'
import { linearScale, ordinalScale } from './scale.ts'
import { ratioOf } from './text.ts'

type Axis = 'connections' | 'payloadBytes'

const words: Readonly<Record<Axis, { label: string; format: (value: number) => string }>> = {
  connections: { label: 'connections', format: (count) => counted(count, 'connection') },
  payloadBytes: { label: 'payload', format: formatSize },
}

/** Shows how the gain depends on concurrency and payload, if several values were measured. */
export function sweepCharts(report: Report): Markup[] {
  return (['connections', 'payloadBytes'] as const).flatMap((axis) =>
    families(report, axis).flatMap((family) => sweep(report, family, axis)),
  )
}

/** Groups of cells that differ only in the axis, sorted by it. */
function families(report: Report, axis: Axis): Cell[][] {
  const groups = new Map<string, Cell[]>()
  for (const cell of cells(report.runs)) {
    const rest = JSON.stringify({ ...cell, [axis]: undefined })
    groups.set(rest, [...(groups.get(rest) ?? []), cell])
  }
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => group.toSorted((a, b) => a[axis] - b[axis]))
}

function sweep(report: Report, family: readonly Cell[], axis: Axis): Markup[] {
  // Leaves out `direct`: it is so much faster that the other lines would merge.
  const shown = modes.filter((mode) => mode !== 'direct')
  const lines = shown.flatMap((mode): Line[] => {
    const points = family.flatMap((cell, x) => {
      const ratio = ratioOf(report, cell, mode, 'iptables')
      return ratio ? [{ x, y: ratio.median, range: [ratio.low, ratio.high] as const }] : []
    })
    return points.length < 2 ? [] : [{ name: mode, points }]
  })
  const [first] = family
  if (lines.length === 0 || !first) return []
  const figures = lines.flatMap(({ points }) => points.flatMap(({ range }) => range ?? []))
  const { left, right, top, bottom } = plotArea
  const other = axis === 'connections' ? 'payloadBytes' : 'connections'
  const { label } = words[axis]
  return [
    linePlot({
      title: `${first.scenario}, ${words[other].format(first[other])}${
        new Set(report.runs.map(({ redirect }) => redirect)).size > 1 ? `, ${first.redirect}` : ''
      }`,
      unit: 'speed against iptables',
      xLabel: label,
      x: ordinalScale(
        family.map((cell) =>
          axis === 'connections' ? String(cell[axis]) : formatSize(cell[axis]),
        ),
        [left, right],
      ),
      y: linearScale(
        [Math.min(0.8, ...figures), Math.max(1.2, ...figures)],
        [bottom, top],
        formatShort,
      ),
      lines,
      reference: 1,
    }),
  ]
}
