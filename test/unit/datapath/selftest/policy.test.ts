import { test } from 'tap'
import { attempt } from '../../../../src/datapath/selftest/probes.ts'
import { MeshaccelError } from '../../../../src/lib/errors.ts'
import { probeBits, probesOf } from '../../../../src/datapath/selftest/probe-bits.ts'
import {
  consequences,
  judge,
  type Probe,
  type ProbeName,
} from '../../../../src/datapath/selftest/policy.ts'

const names = consequences.map(([name]) => name)
const found = (...failed: ProbeName[]): Probe[] =>
  names.map((name) => ({ name, ok: !failed.includes(name), detail: `what ${name} found` }))

void test('a kernel without a flaw earns the full policy', async (t) => {
  t.match(judge(found()), { policy: 'full' })
  t.match(
    judge(found('splice', 'foreign-programs')),
    { policy: 'full' },
    'these are for information',
  )
})

void test('each flaw has its consequence, and the gravest counts', async (t) => {
  const unseen = (...failed: ProbeName[]): Probe[] => found('fionread-watch', ...failed)
  t.match(judge(unseen()), { policy: 'full' })
  t.match(judge(unseen('fionread-tcp')), { policy: 'strict' })
  t.match(judge(unseen('fionread-redirected')), { policy: 'proxies-only' })
  t.match(judge(unseen('fionread-tcp', 'fionread-redirected')), { policy: 'proxies-only' })
  t.match(judge(found('ordering', 'fionread-tcp')), {
    policy: 'refused',
    refusedBecause: 'ordering: what ordering found',
  })
})

void test('a FIONREAD that hides redirected bytes narrows the policy only if nobody sees who asks', async (t) => {
  t.match(judge(found('fionread-redirected')), { policy: 'full' })
  t.match(judge(found('fionread-tcp')), { policy: 'strict' }, 'it accelerates programs that ask')
  t.match(judge(found('fionread-tcp', 'fionread-redirected')), { policy: 'strict' })
  t.match(judge(found('fionread-redirected', 'splice-watch')), { policy: 'proxies-only' })
  const unasked = found().filter(({ name }) => name !== 'fionread-redirected')
  t.match(judge(unasked), { policy: 'proxies-only' }, 'a probe that did not run is not excused')
})

void test('a probe that did not run is one that failed', async (t) => {
  t.match(judge([]), { policy: 'refused' })
  for (const missing of names) {
    const { policy } = judge(found().filter(({ name }) => name !== missing))
    const failed = judge(found(missing, 'fionread-watch')).policy
    t.equal(policy, failed, missing)
  }
})

void test('where only the clock speaks against a kernel, nobody can tell', async (t) => {
  const late = (...failed: ProbeName[]): Probe[] =>
    found(...failed).map((probe) => (probe.ok ? probe : { ...probe, timedOut: true }))
  t.match(judge(late('ordering', 'reset')), {
    policy: 'refused',
    undecided: true,
    refusedBecause: 'ordering: what ordering found',
  })
  t.match(judge(found().slice(0, 3)), { policy: 'refused', undecided: true }, 'it was cut short')
  const both = late('late-join', 'ordering').map(({ timedOut, ...probe }) => ({
    ...probe,
    ...(timedOut && probe.name === 'late-join' && { timedOut }),
  }))
  const judged = judge(both)
  t.match(judged, { policy: 'refused', refusedBecause: 'ordering: what ordering found' })
  t.notOk(judged.undecided, 'evidence counts more')
  t.notOk(judge(late('splice-watch')).undecided, 'what is not refused can be used')
})

const timeout = (): never => {
  throw new MeshaccelError('nothing came', { code: 'ETIMEDOUT', operation: 'receive' })
}

void test('a question that waits in vain is put again, and any other answer taken', async (t) => {
  let asked = 0
  const answered = attempt('reset', () =>
    ++asked < 3 ? timeout() : { ok: true, found: 'at last' },
  )
  t.strictSame(answered, { ok: true, detail: 'a reset is seen: at last' })
  asked = 0
  const never = attempt('reset', () => (asked++, timeout()))
  t.match(never, { ok: false, timedOut: true, detail: 'receive: nothing came' })
  t.equal(asked, 3)
  asked = 0
  const wrong = attempt('reset', () => {
    asked++
    throw new Error('other bytes arrived')
  })
  t.strictSame(wrong, { ok: false, detail: 'other bytes arrived' })
  t.equal(asked, 1, 'evidence is evidence')
})

void test('what the probes found survives in the settings', async (t) => {
  const answers = [
    { name: 'programs-load', ok: true },
    { name: 'fionread-tcp', ok: false },
    { name: 'foreign-programs', ok: true },
  ] as const
  t.strictSame(
    probesOf(probeBits(answers)),
    Object.fromEntries(answers.map(({ name, ok }) => [name, ok])),
  )
  t.strictSame(probesOf(probeBits([])), {})
})
