/** Compares the plain run of a case with its other runs. Pure. */
import { type Arm, arms } from './probe-run.ts'
import type { Outcome, Outcomes } from './runs.ts'

export type JoinedArm = Exclude<Arm, 'plain'>
export const joinedArms: readonly JoinedArm[] = arms.filter((arm) => arm !== 'plain')

export type Verdict = 'same' | 'differs' | 'not here'

export interface Compared {
  readonly verdict: Verdict
  /** `joined`, or why the connection stayed on TCP. */
  readonly membership: string
  /** The transcript with `-` before lines that only plain TCP has, and `+` before those that it does not have. */
  readonly difference: readonly string[]
}

export interface ComparedCase {
  readonly name: string
  readonly skipped?: string
  /** A case without a habit has no arm `trusted`. */
  readonly arms: Readonly<Partial<Record<JoinedArm, Compared>>>
}

/** Every case in the order of the plain run. */
export function compareAll(
  plain: Outcomes,
  others: Readonly<Record<JoinedArm, Outcomes>>,
): ComparedCase[] {
  return [...plain].map(([name, expected]) => ({
    name,
    ...(expected.skipped !== undefined && { skipped: expected.skipped }),
    arms: Object.fromEntries(
      joinedArms.flatMap((arm) => {
        const outcome = others[arm].get(name)
        return outcome ? [[arm, compare(expected, outcome)]] : []
      }),
    ),
  }))
}

function compare(plain: Outcome, other: Outcome): Compared {
  const difference = diff(plain.transcript, other.transcript)
  const isSame = difference.every((line) => line.startsWith(' '))
  const skipped = plain.skipped !== undefined
  return {
    verdict: skipped ? 'not here' : isSame ? 'same' : 'differs',
    membership: other.membership ?? 'ended before',
    difference: isSame ? [] : difference,
  }
}

/** The longest common subsequence, line by line; transcripts are short. */
export function diff(before: readonly string[], after: readonly string[]): string[] {
  const lengths = Array.from({ length: before.length + 1 }, () =>
    Array.from({ length: after.length + 1 }, () => 0),
  )
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      const row = lengths[i]
      if (!row) continue
      row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const lines: string[] = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(`  ${before[i]}`)
      i++
      j++
    } else if (i < before.length && (j >= after.length || at(i + 1, j) >= at(i, j + 1))) {
      lines.push(`- ${before[i++]}`)
    } else {
      lines.push(`+ ${after[j++]}`)
    }
  }
  return lines
}
