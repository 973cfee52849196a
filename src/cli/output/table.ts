import { aligned, columnWidths } from '../../lib/columns.ts'
import type { CliEnvironment } from '../environment.ts'
import { cut, plain } from './plain-text.ts'

export interface Column {
  readonly title: string
  readonly right?: boolean
  /** Whether it may be cut if the terminal is narrow. */
  readonly flexible?: boolean
  /** Set if the column may be dropped when cutting is not enough. The highest number goes first. */
  readonly spare?: number
}

const gap = 2
/** The minimum width of flexible columns: while a spare column can be dropped, and after that. */
const comfortable = 16
const narrowest = 8

/** Renders aligned columns. On a terminal they fit its width. In a file or a pipe nothing is cut. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  environment: CliEnvironment,
): string {
  return tableLines(columns, rows, environment)
    .map((line) => `${line}\n`)
    .join('')
}

/** Like `renderTable`, as lines. The first one is the head. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  environment: CliEnvironment,
): string[] {
  const cells = rows.map((row) => row.map(plain))
  const titles = columns.map(({ title }) => title)
  const natural = columnWidths([titles, ...cells.map((row) => row.slice(0, titles.length))])
  const room = widthOf(environment)
  const widths = fit(columns, natural, room)
  const line = (row: readonly string[]): string => {
    const shown = columns.flatMap(({ right }, index) => {
      const width = widths.get(index)
      if (width === undefined) return []
      return aligned(cut(row[index] ?? '', width), width, right)
    })
    return cut(shown.join(' '.repeat(gap)).trimEnd(), room)
  }
  const head = paint('bold', line(titles), environment)
  return [head, ...cells.map(line)]
}

/** The maximum length of a line. It is infinite unless the output is a terminal. */
export function widthOf({ stdout }: CliEnvironment): number {
  return stdout.isTTY ? (stdout.columns ?? Infinity) : Infinity
}

/** SGR parameters of ECMA-48. */
const styles = { bold: 1, red: 31, green: 32, yellow: 33 } as const

/** Colours a text if the output is a terminal. */
export function paint(
  style: keyof typeof styles,
  text: string,
  { stdout, env }: CliEnvironment,
): string {
  const wanted = stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
  return wanted ? `\u001B[${styles[style]}m${text}\u001B[0m` : text
}

/** The widths of the remaining columns, by index. Drops spare columns first, then cuts flexible ones. */
function fit(
  columns: readonly Column[],
  natural: readonly number[],
  room: number,
): Map<number, number> {
  const widths = new Map(natural.entries())
  const least = (index: number): number =>
    columns[index]?.flexible ? Math.min(comfortable, natural[index] ?? 0) : (natural[index] ?? 0)
  const total = (width: (index: number) => number): number =>
    [...widths.keys()].reduce((sum, index) => sum + width(index) + gap, -gap)
  const spare = columns
    .map((column, index) => ({ index, rank: column.spare ?? 0 }))
    .filter(({ rank }) => rank > 0)
    .toSorted((one, other) => other.rank - one.rank)
  for (const { index } of spare) {
    if (total(least) <= room) break
    widths.delete(index)
  }
  let over = total((index) => widths.get(index) ?? 0) - room
  while (over > 0) {
    let widest = -1
    for (const [index, width] of widths) {
      if (!columns[index]?.flexible || width <= narrowest) continue
      if (width > (widths.get(widest) ?? 0)) widest = index
    }
    if (widest < 0) break
    widths.set(widest, (widths.get(widest) ?? 0) - 1)
    over -= 1
  }
  return widths
}
