import { exact } from '../../lib/exact-json.ts'
import type { CliEnvironment } from '../environment.ts'

/** Prints a result in the requested format. */
export function print(
  environment: CliEnvironment,
  output: 'table' | 'json',
  result: unknown,
  table: () => string,
): void {
  environment.stdout.write(output === 'json' ? toJson(result) : table())
}

/**
 * Formats as JSON. A 64-bit number is a JSON number up to 2^53, which every reader gets exactly, and a string beyond.
 */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, exact, 2)}\n`
}

/** Like `toJson`, on one line. */
export function toJsonLine(value: unknown): string {
  return `${JSON.stringify(value, exact)}\n`
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** Formats as `1.4 GiB`. */
export function formatBytes(bytes: bigint | number): string {
  let value = Number(bytes)
  let unit = 0
  while (value >= 1024 && unit < byteUnits.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${byteUnits[unit]}`
}

/** Formats milliseconds as `3 h 12 min`. */
export function formatAge(ms: bigint): string {
  const seconds = Number(ms / 1000n)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`
}
