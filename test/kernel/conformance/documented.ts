/** Parses docs/SEMANTICS.md. Pure. */
import { type JoinedArm, joinedArms, type Verdict } from './comparison.ts'
import type { Kernel } from './elsewhere.ts'

/** The verdicts of a case's arms. */
export type Verdicts = Readonly<Partial<Record<JoinedArm, Verdict>>>

/** The kernel that a document was written on. */
export function documentedKernel(document: string): Kernel {
  const [, series = '', policy = ''] =
    /on Linux (\S+), whose\s+policy is `(\S+)`/.exec(document) ?? []
  return { series, policy }
}

/** The table of cases of a document. */
export function documentedVerdicts(document: string): Map<string, Verdicts> {
  const verdicts = new Map<string, Verdicts>()
  const [table = ''] = document.split('## Differences')
  for (const line of table.split('\n')) {
    const [name, ...cells] = line.split('|').slice(1, -1).map(plainText)
    if (name === undefined) continue
    const known = joinedArms.flatMap((arm, i) => {
      const verdict = every.find((each) => cells[i]?.startsWith(each))
      return verdict ? [[arm, verdict] as const] : []
    })
    if (known.length > 0) verdicts.set(name, Object.fromEntries(known))
  }
  return verdicts
}

const every: readonly Verdict[] = ['same', 'differs', 'not here']

/** The text of a cell, without its link. */
const plainText = (cell: string): string => cell.trim().replace(/^\[(.*)\]\(.*\)$/, '$1')
