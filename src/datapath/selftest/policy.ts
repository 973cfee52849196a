/** From what the probes found to what is allowed: a pure function. */
import type { Policy } from '../datapath.ts'

/** One question to the kernel and its answer. */
export interface Probe {
  readonly name: ProbeName
  /** Whether the kernel behaves as an application would expect of TCP. */
  readonly ok: boolean
  readonly detail: string
  readonly hint?: string
  /** It waited in vain: for a kernel that never answers, or on a machine that is too busy to. */
  readonly timedOut?: true
}

export type ProbeName =
  | 'programs-load'
  | 'netns-cookie'
  | 'late-join'
  | 'receive-accounting'
  | 'fionread-redirected'
  | 'splice'
  | 'splice-watch'
  | 'ordering'
  | 'fionread-tcp'
  | 'half-close'
  | 'reset'
  | 'mptcp'
  | 'foreign-programs'

/** `none`: for information. */
type Consequence = Exclude<Policy, 'full'> | 'none'

/** Every probe, in the order of its run, and what follows when it fails. */
export const consequences: readonly (readonly [ProbeName, Consequence])[] = [
  ['programs-load', 'refused'],
  ['netns-cookie', 'refused'],
  ['late-join', 'refused'],
  ['receive-accounting', 'refused'],
  ['fionread-redirected', 'proxies-only'],
  ['splice', 'none'],
  ['splice-watch', 'proxies-only'],
  ['ordering', 'refused'],
  ['fionread-tcp', 'strict'],
  ['half-close', 'refused'],
  ['reset', 'refused'],
  ['mptcp', 'refused'],
  ['foreign-programs', 'none'],
]

export interface SelfTestResult {
  readonly policy: Policy
  readonly refusedBecause?: string
  /** Refused, though nothing speaks against this kernel but the clock, or the state of the machine: worth another try. */
  readonly undecided?: true
  readonly probes: readonly Probe[]
}

/**
 * The policy that every probe allows. A probe that did not run is one that failed: nobody knows. Where evidence and a
 * time-out both refuse, the evidence counts.
 */
export function judge(probes: readonly Probe[]): SelfTestResult {
  const failed = (policy: Policy): { name: ProbeName; probe: Probe | undefined }[] =>
    consequences.flatMap(([name, consequence]) => {
      const probe = probes.find((each) => each.name === name)
      return consequence === policy && !probe?.ok ? [{ name, probe }] : []
    })
  const refusing = failed('refused')
  const evidence = refusing.find(({ probe }) => probe && !probe.timedOut)
  const first = evidence ?? refusing[0]
  if (first) {
    const refusedBecause = `${first.name}: ${first.probe?.detail ?? 'the self-test did not come so far'}`
    return {
      policy: 'refused',
      refusedBecause,
      ...(!evidence && { undecided: true as const }),
      probes,
    }
  }
  const narrower: readonly Policy[] = ['proxies-only', 'strict']
  const policy = narrower.find((each) => failed(each).length > 0)
  return { policy: policy ?? 'full', probes }
}
