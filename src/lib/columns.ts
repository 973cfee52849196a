/** Text in aligned columns, for a person. Widths are in characters. */

/** How wide each column is: as its widest cell. A row may be shorter than others. */
export function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, { length }] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, length)
    }
  }
  return widths
}

/** A cell with blanks up to the width: behind the text, or before it for a column of numbers. */
export function aligned(text: string, width: number, right = false): string {
  return right ? text.padStart(width) : text.padEnd(width)
}
