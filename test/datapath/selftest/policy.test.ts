import { test } from 'tap'
import { probeBits, probesOf } from '../../../src/datapath/selftest/probe-bits.ts'
import {
  consequences,
  judge,
  type Probe,
  type ProbeName,
} from '../../../src/datapath/selftest/policy.ts'

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
  t.match(judge(found('fionread-tcp')), { policy: 'strict' })
  t.match(judge(found('fionread-redirected')), { policy: 'proxies-only' })
  t.match(judge(found('fionread-tcp', 'fionread-redirected')), { policy: 'proxies-only' })
  t.match(judge(found('ordering', 'fionread-tcp')), {
    policy: 'refused',
    refusedBecause: 'ordering: what ordering found',
  })
})

void test('a probe that did not run is one that failed', async (t) => {
  t.match(judge([]), { policy: 'refused' })
  for (const missing of names) {
    const { policy } = judge(found().filter(({ name }) => name !== missing))
    t.equal(policy, judge(found(missing)).policy, missing)
  }
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
