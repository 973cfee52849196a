const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** How a person may write a duration; a plain number has the unit that is usual for the option. */
export type PlainUnit = 's' | 'ms'

/** The milliseconds of `500ms`, `2s`, `2m`, `1h` or a plain number; undefined for any other text. */
export function parseDuration(text: string, plainUnit: PlainUnit = 's'): number | undefined {
  const [, number, unit = plainUnit] = /^(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h)?$/.exec(text.trim()) ?? []
  const unitMs = unitsMs[unit]
  if (number === undefined || unitMs === undefined) return undefined
  // 1.1 s are 1100 ms, not 1100.0000000000002.
  return Math.round(Number(number) * unitMs * 1_000) / 1_000
}

/** The shortest text for it: `500ms`, `2s`, `10m`. */
export function formatDuration(ms: number): string {
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`
  return ms >= 1_000 || ms === 0 ? `${ms / 1_000}s` : `${ms}ms`
}
