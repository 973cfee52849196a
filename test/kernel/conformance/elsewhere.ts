/**
 * Differences of other kernels from the one that docs/SEMANTICS.md was written on. test/system/kernels asserts them.
 */
import { type ComparedCase, joinedArms } from './comparison.ts'
import type { Verdicts } from './documented.ts'

/** A kernel and its earned policy. */
export interface Kernel {
  /** Such as 6.12. */
  readonly series: string
  readonly policy: string
  /** Whether it answers FIONREAD wrongly about some members. */
  readonly misleads?: boolean
}

export interface Elsewhere {
  /** The kernels, in words. */
  readonly where: string
  readonly applies: (kernel: Kernel) => boolean
  readonly cases: Readonly<Record<string, Verdicts>>
  readonly why: string
}

const bothSame: Verdicts = { joined: 'same', mid: 'same' }

export const elsewhere: readonly Elsewhere[] = [
  {
    where: 'FIONREAD is right',
    applies: ({ policy, misleads }) => policy === 'full' && !misleads,
    cases: { 'ktls-after-connect': { joined: 'differs', mid: 'differs' } },
    why: 'A member does not take the keys of kTLS: EINVAL for TLS_TX and TLS_RX, though TCP_ULP has succeeded. Programs that set kTLS up late have to continue without it. A connection with TCP_ULP set before the join never joins.',
  },
  {
    where: 'FIONREAD is wrong',
    applies: ({ policy, misleads }) => policy !== 'full' || misleads === true,
    cases: { 'ktls-after-connect': bothSame },
    why: 'Older kernels let a member have kTLS.',
  },
  {
    where: '6.12 and before',
    applies: ({ series }) => isAtMost(series, 6, 12),
    cases: { 'send-bad-buffer': bothSame },
    why: 'Its `tcp_bpf_sendmsg` still returns the error.',
  },
  {
    where: 'policy proxies-only',
    applies: ({ policy }) => policy === 'proxies-only',
    cases: {
      ...each(['bad-buffer', 'tcp-inq', 'msg-oob-unexpected', 'close-unread'], { joined: 'same' }),
      ...each(['msg-more', 'tcp-cork', 'close-half-read', 'killed-with-unread'], bothSame),
      ...each(
        ['tcp-repair-checkpoint', 'conntrack-expires', 'tcp-info', 'packets-dropped'],
        bothSame,
      ),
    },
    why: 'Bytes for programs other than sidecars go by TCP. The connections are members anyway, and effects of membership alone are as elsewhere.',
  },
]

/** Whether a series such as 6.1 is this one or an older one. */
function isAtMost(series: string, version: number, minor: number): boolean {
  const [ownVersion = 0, ownMinor = 0] = series.split('.').map(Number)
  return ownVersion < version || (ownVersion === version && ownMinor <= minor)
}

function each(names: readonly string[], verdicts: Verdicts): Record<string, Verdicts> {
  return Object.fromEntries(names.map((name) => [name, verdicts]))
}

/**
 * Cases that may show no difference. They show that bytes were redirected. Where FIONREAD hides redirected bytes, a message
 * takes TCP if it is longer than all that its reader has received.
 */
const races: ReadonlySet<string> = new Set(['tcp-repair-checkpoint', 'tcp-info'])

/** The expected answers of a kernel: the document's, with its known differences. */
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

/** An arm of a case with an unexpected verdict. */
export interface Mistaken {
  readonly name: string
  readonly arm: string
  readonly verdict: string
  readonly expected: string
  readonly membership: string
  readonly difference: readonly string[]
}

/** A kernel that cannot run a case is not wrong. */
export function mistaken(
  cases: readonly ComparedCase[],
  expected: ReadonlyMap<string, Verdicts>,
): Mistaken[] {
  return cases.flatMap(({ name, skipped, arms }) =>
    joinedArms.flatMap((arm) => {
      const found = arms[arm]
      if (skipped !== undefined || found === undefined) return []
      const wanted = expected.get(name)?.[arm] ?? 'unknown'
      const isLucky = races.has(name) && found.verdict === 'same'
      return found.verdict === wanted || isLucky ? [] : [{ name, arm, ...found, expected: wanted }]
    }),
  )
}
