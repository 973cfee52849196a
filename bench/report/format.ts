/** Formats as `12,345`, with `digits` decimals. */
export const formatNumber = (value: number, digits = 0): string =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })

/** Formats with about three digits: `0.42`, `4.2`, `42`, `4,242`. */
export const formatShort = (value: number): string =>
  formatNumber(value, value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2)

/** Formats microseconds as `85 µs`, `1.2 ms` or `2 s`. */
export function formatTime(us: number): string {
  if (us < 1000) return `${Number(us.toPrecision(3))} µs`
  if (us < 1e6) return `${Number((us / 1000).toPrecision(3))} ms`
  return `${Number((us / 1e6).toPrecision(3))} s`
}

/** `1 round`, `3 rounds`. */
export const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? '' : 's'}`

/** `3.8 GiB`. */
export const formatBytes = (bytes: number): string => `${formatShort(bytes / 1024 ** 3)} GiB`
