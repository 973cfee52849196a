/** The limit of the guard, as users write it. */

/** The words for messages. */
export const guardForm = 'a percentage such as "10%", or "off"'

const mostPercent = 1_000

/** Reads `10%`, `10`, `2.5%` or `off`. Returns percent, and 0 for `off`. Undefined if it is something else. Pure. */
export function parseGuard(text: string): number | undefined {
  const trimmed = text.trim()
  if (trimmed === 'off') return 0
  const digits = /^(\d{1,4}(?:\.\d{1,3})?) ?%?$/.exec(trimmed)?.[1]
  const percent = Number(digits)
  return digits !== undefined && percent >= 1 && percent <= mostPercent ? percent : undefined
}
