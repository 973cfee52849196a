/** From what the probes found to what is allowed: a pure function. */
import type { Policy } from '../datapath.ts'

/** One question to the kernel and its answer. */
export interface Probe {
  readonly name: ProbeName
  /** Whether the kernel behaves as an application would expect of TCP. */
  readonly ok: boolean
  readonly detail: string
  readonly hint?: string
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
  readonly probes: readonly Probe[]
}

/** The policy that every probe allows. A probe that did not run is one that failed: nobody knows. */
export function judge(probes: readonly Probe[]): SelfTestResult {
  const firstFailed = (policy: Policy): ProbeName | undefined =>
    consequences.find(
      ([name, consequence]) =>
        consequence === policy && !probes.some((probe) => probe.name === name && probe.ok),
    )?.[0]
  const refused = firstFailed('refused')
  if (refused !== undefined) {
    const probe = probes.find(({ name }) => name === refused)
    const refusedBecause = `${refused}: ${probe?.detail ?? 'the self-test did not come so far'}`
    return { policy: 'refused', refusedBecause, probes }
  }
  const narrower: readonly Policy[] = ['proxies-only', 'strict']
  const policy = narrower.find((each) => firstFailed(each) !== undefined)
  return { policy: policy ?? 'full', probes }
}
