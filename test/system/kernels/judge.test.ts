import { test } from 'tap'
import type { ComparedCase, Verdict } from '../../kernel/conformance/comparison.ts'
import { judge, summary } from './judge.ts'
import type { Told } from './told.ts'

const documented = new Map([
  ['poll', { joined: 'same', mid: 'same' }],
  ['tcp-cork', { joined: 'differs', mid: 'differs' }],
] as const)

const found = (name: string, verdict: Verdict, skipped?: string): ComparedCase => {
  const arm = { verdict, membership: 'joined', difference: ['- one', '+ two'] }
  return { name, ...(skipped !== undefined && { skipped }), arms: { joined: arm, mid: arm } }
}

const booted = { release: '0.1.2+deb0-cloud-amd64', policy: 'full' }
const doctor: Told = { part: 'doctor', seconds: 5, policy: 'full' }
const conformance: Told = {
  part: 'conformance',
  seconds: 100,
  policy: 'full',
  cases: [
    found('poll', 'same'),
    found('tcp-cork', 'differs'),
    found('ktls', 'not here', 'no TLS in the kernel'),
  ],
}
const btf: Told = { part: 'btf', seconds: 20 }
const stress: Told = { part: 'stress', seconds: 30 }
const failed = (told: readonly Told[], kernel = booted): string[] =>
  judge(kernel, told, documented).flatMap(({ name, ok }) => (ok ? [] : [name]))

void test('a kernel that answers as the document says passes', async (t) => {
  t.strictSame(failed([doctor, btf, conformance, stress]), [])
  t.equal(judge(booted, [doctor, btf, conformance, stress], documented).length, 11)
  t.equal(
    summary(booted, [doctor, btf, conformance, stress]),
    '0.1.2+deb0-cloud-amd64 | full | doctor 5 s, btf 20 s, conformance 100 s, stress 30 s | 2 cases, 1 differ',
  )
})

void test('every part that fails, or is not reached, fails', async (t) => {
  t.strictSame(failed([]), [
    'doctor comes to its end',
    'earns full',
    'btf comes to its end',
    'conformance comes to its end',
    'stress comes to its end',
  ])
  t.strictSame(failed([doctor, btf, { ...conformance, error: 'it hangs' }, stress]), [
    'conformance comes to its end',
  ])
  t.strictSame(failed([{ ...doctor, policy: 'strict' }, btf, conformance, stress]), ['earns full'])
  t.strictSame(failed([doctor, btf, { ...conformance, policy: 'strict' }, stress]), [
    "conformance: the agent's policy",
  ])
  const apart = conformance.cases?.map(({ name, arms }) => {
    const arm = { verdict: arms.joined?.verdict ?? 'same', membership: 'unseen', difference: [] }
    return { name, arms: { joined: arm, mid: arm } }
  })
  const unjoined = { ...conformance, cases: apart?.slice(0, 2) ?? [] }
  t.strictSame(failed([doctor, btf, unjoined, stress]), ['most cases join'])
})

void test('a verdict that is another one fails, whether worse or better', async (t) => {
  const cases = [found('poll', 'differs'), found('tcp-cork', 'same'), found('new', 'same')]
  const wrong = judge(booted, [doctor, btf, { ...conformance, cases }, stress], documented).filter(
    ({ ok }) => !ok,
  )
  t.strictSame(
    wrong.map(({ name }) => name),
    [
      'poll, joined: differs (joined)',
      'poll, mid: differs (joined)',
      'tcp-cork, joined: same (joined)',
      'tcp-cork, mid: same (joined)',
      'new, joined: same (joined)',
      'new, mid: same (joined)',
    ],
  )
  t.equal(wrong[0]?.detail, 'expected same\n- one\n+ two')
})

void test('a case that fails on plain TCP proves nothing', async (t) => {
  t.strictSame(failed([doctor, btf, { ...conformance, broken: ['poll'] }, stress]), [
    'poll, on plain TCP',
  ])
})

void test('a kernel that is to be refused has its agent asked', async (t) => {
  const refused = { release: '0.0.9-cloud-amd64', policy: 'refused' }
  const earned: Told = { ...doctor, policy: 'refused' }
  t.strictSame(failed([earned, { part: 'agent', seconds: 9, policy: 'refused' }], refused), [])
  t.strictSame(failed([earned], refused), ['agent comes to its end'])
})
