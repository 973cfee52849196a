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

/** Every probe, in the order of its run, and what follows when it fails. */
export const consequences = {
  'programs-load': 'refused',
  'netns-cookie': 'refused',
  'late-join': 'refused',
  'receive-accounting': 'refused',
  'fionread-redirected': 'proxies-only',
  splice: 'none',
  ordering: 'refused',
  'fionread-tcp': 'strict',
  'half-close': 'refused',
  reset: 'refused',
  mptcp: 'refused',
  'foreign-programs': 'none',
} as const satisfies Readonly<Record<string, Policy | 'none'>>

export type ProbeName = keyof typeof consequences

export interface SelfTestResult {
  readonly policy: Policy
  readonly refusedBecause?: string
  readonly probes: readonly Probe[]
}

/** The policy that every probe allows. A probe that did not run is one that failed: nobody knows. */
export function judge(probes: readonly Probe[]): SelfTestResult {
  const failed = (Object.keys(consequences) as ProbeName[]).filter(
    (name) => !probes.some((probe) => probe.name === name && probe.ok),
  )
  const follow = (consequence: Policy): ProbeName | undefined =>
    failed.find((name) => consequences[name] === consequence)
  const refused = follow('refused')
  if (refused !== undefined) {
    const probe = probes.find(({ name }) => name === refused)
    const refusedBecause = `${refused}: ${probe?.detail ?? 'the self-test did not come so far'}`
    return { policy: 'refused', refusedBecause, probes }
  }
  const policy = (['proxies-only', 'strict'] as const).find(
    (each) => follow(each) !== undefined,
  )
  return { policy: policy ?? 'full', probes }
}
