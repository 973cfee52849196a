/** Turns a guest's report into checks. Pure. */
import type { ComparedCase } from '../../kernel/conformance/comparison.ts'
import { differs } from '../../kernel/conformance/document.ts'
import type { Verdicts } from '../../kernel/conformance/documented.ts'
import { expectedOf, mistaken } from '../../kernel/conformance/elsewhere.ts'
import type { Told } from './told.ts'

export interface Check {
  readonly name: string
  readonly ok: boolean
  /** Why it failed. */
  readonly detail?: string
}

/** The booted kernel, and the policy that it must earn. */
export interface Booted {
  /** Such as 6.12.95+deb12-cloud-amd64. */
  readonly release: string
  readonly policy: string
}

const FIONREAD_FLAWS: readonly string[] = ['fionread-redirected', 'fionread-tcp']

/** One check for the policy, one for each part, one for each arm of each case that the kernel can run. */
export function judge(
  { release, policy }: Booted,
  told: readonly Told[],
  documented: ReadonlyMap<string, Verdicts>,
): Check[] {
  const series = release.split('.').slice(0, 2).join('.')
  const doctor = told.find(({ part }) => part === 'doctor')
  const misleads = doctor?.flaws?.some((name) => FIONREAD_FLAWS.includes(name)) ?? false
  const checks: Check[] = [
    wellOver('doctor', doctor),
    check(`earns ${policy}`, doctor?.policy === policy, `it earns ${doctor?.policy ?? 'nothing'}`),
  ]
  const parts =
    policy === 'refused' ? (['agent'] as const) : (['btf', 'conformance', 'stress'] as const)
  for (const part of parts) {
    const found = told.find((each) => each.part === part)
    checks.push(wellOver(part, found))
    if (found === undefined || found.error !== undefined) continue
    if (found.policy !== undefined) {
      checks.push(check(`${part}: the agent's policy`, found.policy === policy, found.policy))
    }
    checks.push(...judgeCases(found, expectedOf({ series, policy, misleads }, documented)))
    if (found.cases) checks.push(mostJoin(found.cases))
  }
  return checks
}

function wellOver(part: string, told: Told | undefined): Check {
  return check(
    `${part} comes to its end`,
    told !== undefined && told.error === undefined,
    told?.error ?? 'it was not reached',
  )
}

/** Otherwise all of them would have the same name. */
function mostJoin(cases: readonly ComparedCase[]): Check {
  const joined = cases.filter(({ arms }) => arms.joined?.membership === 'joined').length
  return check('most cases join', joined > cases.length / 2, `${joined} of ${cases.length}`)
}

function judgeCases(
  { cases = [], broken = [] }: Told,
  expected: ReadonlyMap<string, Verdicts>,
): Check[] {
  const wrong = mistaken(cases, expected)
  return cases.flatMap(({ name, skipped, arms }) => {
    if (skipped !== undefined) return []
    if (broken.includes(name)) return [check(`${name}, on plain TCP`, false)]
    return Object.entries(arms).map(([arm, { verdict, membership }]) => {
      const mistake = wrong.find((each) => each.name === name && each.arm === arm)
      return check(
        `${name}, ${arm}: ${verdict} (${membership})`,
        mistake === undefined,
        mistake && `expected ${mistake.expected}\n${mistake.difference.join('\n')}`,
      )
    })
  })
}

function check(name: string, ok: boolean, detail = ''): Check {
  return { name, ok, ...(!ok && detail !== '' && { detail }) }
}

/** A line of the table of kernels. */
export function summary({ release }: Booted, told: readonly Told[]): string {
  const doctor = told.find(({ part }) => part === 'doctor')
  const parts = told.map(({ part, seconds, error }) =>
    error === undefined ? `${part} ${seconds} s` : `${part} FAILED after ${seconds} s`,
  )
  const cases = told.find(({ part }) => part === 'conformance')?.cases ?? []
  const here = cases.filter(({ skipped }) => skipped === undefined)
  const differing = here.filter(differs).length
  return [
    release,
    doctor?.policy ?? 'unknown',
    parts.join(', '),
    ...(cases.length > 0 ? [`${here.length} cases, ${differing} differ`] : []),
    ...(doctor?.refusedBecause === undefined ? [] : [doctor.refusedBecause]),
  ].join(' | ')
}
