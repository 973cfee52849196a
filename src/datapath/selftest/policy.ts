/** Derives the policy from the results of the probes. Pure. */
import type { Policy } from '../datapath.ts'

/** One question to the kernel and its answer. */
export interface Probe {
  readonly name: ProbeName
  /** Whether the kernel behaves as an application expects of TCP. */
  readonly ok: boolean
  readonly detail: string
  readonly hint?: string
  /** The probe timed out: the kernel never answers, or the machine is too busy. */
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
  | 'wake'
  | 'half-close'
  | 'reset'
  | 'mptcp'
  | 'foreign-programs'
  | 'fionread-watch'

/** `none`: the probe is informational. */
type Consequence = Exclude<Policy, 'full'> | 'none'

/**
 * This flaw needs no narrower policy if programs that ask FIONREAD are seen: only they get the wrong answer. Where FIONREAD
 * hides TCP bytes, `strict` stays. It accelerates programs that ask, and the watch would leave them on TCP.
 */
const WATCHED_FLAW: ProbeName = 'fionread-redirected'

/** Every probe, in running order, and what its failure leads to. */
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
  ['fionread-watch', 'none'],
  ['wake', 'refused'],
  ['half-close', 'refused'],
  ['reset', 'refused'],
  ['mptcp', 'refused'],
  ['foreign-programs', 'none'],
]

export interface SelfTestResult {
  readonly policy: Policy
  readonly refusedBecause?: string
  /** The result is `refused` only because of a timeout or the machine's state: worth another try. */
  readonly undecided?: true
  readonly probes: readonly Probe[]
}

/** Whether FIONREAD hides redirected bytes on this kernel, and programs that ask it are seen. */
export function isWatched(probes: readonly Probe[]): boolean {
  const found = (wanted: ProbeName): boolean | undefined =>
    probes.find(({ name }) => name === wanted)?.ok
  return found(WATCHED_FLAW) === false && found('fionread-watch') === true
}

/** The consequence of a probe that failed. `watched`: isWatched(). */
export const consequenceOf = (probe: string, watched: boolean): Consequence =>
  watched && probe === WATCHED_FLAW
    ? 'none'
    : (consequences.find(([name]) => name === probe)?.[1] ?? 'none')

/**
 * The strictest policy that follows from the probes. A probe that did not run counts as failed. If a failed probe and a
 * timeout both refuse, the failed probe gives the reason.
 */
export function judge(probes: readonly Probe[]): SelfTestResult {
  const watched = isWatched(probes)
  const failed = (policy: Policy): { name: ProbeName; probe: Probe | undefined }[] =>
    consequences.flatMap(([name]) => {
      const probe = probes.find((each) => each.name === name)
      return consequenceOf(name, watched) === policy && !probe?.ok ? [{ name, probe }] : []
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
