import type { CliEnvironment } from './environment.ts'

export interface Column {
  readonly title: string
  readonly right?: boolean
  /** May be cut short when the terminal is narrow. */
  readonly flexible?: boolean
}

const gap = 2
const narrowest = 8

/** Lines of aligned columns. On a terminal they fit its width; into a file or a pipe nothing is cut. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  environment: CliEnvironment,
): string {
  const natural = columns.map(({ title }, index) =>
    rows.reduce((widest, row) => Math.max(widest, (row[index] ?? '').length), title.length),
  )
  const widths = fit(columns, natural, environment.stdout)
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ right }, index) => {
        const width = widths[index] ?? 0
        const text = cut(cells[index] ?? '', width)
        return right ? text.padStart(width) : text.padEnd(width)
      })
      .join(' '.repeat(gap))
      .trimEnd()
  const head = paint('bold', line(columns.map(({ title }) => title)), environment)
  return [head, ...rows.map(line)].map((text) => `${text}\n`).join('')
}

/** SGR parameters of ECMA-48. */
const styles = { bold: 1, red: 31, green: 32, yellow: 33 } as const

/** Colours only where a person looks. */
export function paint(
  style: keyof typeof styles,
  text: string,
  { stdout, env }: CliEnvironment,
): string {
  const wanted = stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
  return wanted ? `\u001B[${styles[style]}m${text}\u001B[0m` : text
}

/** Takes what is too much from the widest flexible columns. */
function fit(
  columns: readonly Column[],
  natural: readonly number[],
  stdout: CliEnvironment['stdout'],
): number[] {
  const widths = [...natural]
  const room = stdout.isTTY ? (stdout.columns ?? Infinity) : Infinity
  let over = widths.reduce((sum, width) => sum + width, gap * (columns.length - 1)) - room
  while (over > 0) {
    const widest = columns
      .map((column, index) => ({ index, width: column.flexible ? (widths[index] ?? 0) : 0 }))
      .reduce((best, candidate) => (candidate.width > best.width ? candidate : best))
    if (widest.width <= narrowest) break
    widths[widest.index] = widest.width - 1
    over -= 1
  }
  return widths
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}
