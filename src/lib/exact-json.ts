/** A replacer for JSON.stringify. A 64-bit number is a JSON number up to 2^53, which every reader gets exactly. Larger ones are text. */
export function exact(_key: string, field: unknown): unknown {
  if (typeof field !== 'bigint') return field
  return Number.isSafeInteger(Number(field)) ? Number(field) : String(field)
}
