import type { CliEnvironment } from '../environment.ts'

/** Prints a result as asked for. */
export function print(
  environment: CliEnvironment,
  output: 'table' | 'json',
  result: unknown,
  table: () => string,
): void {
  environment.stdout.write(output === 'json' ? toJson(result) : table())
}

/** JSON in which a 64-bit number is a number where every reader gets it exact, and text beyond 2^53. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, exact, 2)}\n`
}

/** The same on one line. */
export function toJsonLine(value: unknown): string {
  return `${JSON.stringify(value, exact)}\n`
}

function exact(_key: string, field: unknown): unknown {
  if (typeof field !== 'bigint') return field
  return Number.isSafeInteger(Number(field)) ? Number(field) : String(field)
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1.4 GiB`. */
export function formatBytes(bytes: bigint | number): string {
  let value = Number(bytes)
  let unit = 0
  while (value >= 1024 && unit < byteUnits.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${byteUnits[unit]}`
}

/** `3 h 12 min`, from milliseconds. */
export function formatAge(ms: bigint): string {
  const seconds = Number(ms / 1000n)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`
}
