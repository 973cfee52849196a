/** What kernels answer otherwise than the one that docs/SEMANTICS.md was written on. test/system/kernels asserts it. */
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

const bothSame: Verdicts = { joined: 'same', mid: 'same' }

export const elsewhere: readonly Elsewhere[] = [
  {
    where: 'policy full',
    applies: ({ policy }) => policy === 'full',
    cases: { 'ktls-after-connect': { joined: 'differs', mid: 'differs' } },
    why: 'A member does not take the keys of kTLS: EINVAL for TLS_TX and TLS_RX, though TCP_ULP has succeeded. Programs that set kTLS up late have to continue without it. A connection with TCP_ULP set before the join never joins.',
  },
  {
    where: 'other policies',
    applies: ({ policy }) => policy !== 'full',
    cases: { 'ktls-after-connect': bothSame },
    why: 'Older kernels let a member have kTLS.',
  },
  {
    where: '6.12',
    applies: ({ series }) => series === '6.12',
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

function each(names: readonly string[], verdicts: Verdicts): Record<string, Verdicts> {
  return Object.fromEntries(names.map((name) => [name, verdicts]))
}

/** Cases in which one thread has to be faster than another one for a difference to be seen: a slow kernel may see none. */
const races: ReadonlySet<string> = new Set(['many-readers'])

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
      const isLucky = races.has(name) && found.verdict === 'same'
      return found.verdict === wanted || isLucky ? [] : [{ name, arm, ...found, expected: wanted }]
    }),
  )
}
