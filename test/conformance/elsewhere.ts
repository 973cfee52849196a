/** What kernels answer otherwise than the one that docs/SEMANTICS.md was written on. test/kernels asserts it. */
import { type ComparedCase, joinedArms } from './comparison.ts'
import type { Verdicts } from './documented.ts'

/** A kernel and what it has earned. */
export interface Kernel {
  /** Such as 6.12. */
  readonly series: string
  readonly policy: string
}

export interface Elsewhere {
  /** Which kernels, in words. */
  readonly where: string
  readonly applies: (kernel: Kernel) => boolean
  readonly cases: Readonly<Record<string, Verdicts>>
  readonly why: string
}

export const elsewhere: readonly Elsewhere[] = []

/** What a kernel is to answer: what the document says, but for where it is known to answer otherwise. */
export function expectedOf(
  kernel: Kernel,
  documented: ReadonlyMap<string, Verdicts>,
  others: readonly Elsewhere[] = elsewhere,
): Map<string, Verdicts> {
  const expected = new Map(documented)
  for (const { cases } of others.filter(({ applies }) => applies(kernel))) {
    for (const [name, verdicts] of Object.entries(cases)) {
      expected.set(name, { ...expected.get(name), ...verdicts })
    }
  }
  return expected
}

/** An arm of a case whose verdict is another than was expected. */
export interface Mistaken {
  readonly name: string
  readonly arm: string
  readonly verdict: string
  readonly expected: string
  readonly membership: string
  readonly difference: readonly string[]
}

/** A kernel that cannot run a case is not mistaken. */
export function mistaken(
  cases: readonly ComparedCase[],
  expected: ReadonlyMap<string, Verdicts>,
): Mistaken[] {
  return cases.flatMap(({ name, skipped, arms }) =>
    joinedArms.flatMap((arm) => {
      const found = arms[arm]
      if (skipped !== undefined || found === undefined) return []
      const wanted = expected.get(name)?.[arm] ?? 'unknown'
      return found.verdict === wanted ? [] : [{ name, arm, ...found, expected: wanted }]
    }),
  )
}
