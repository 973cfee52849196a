import { test } from 'tap'
import { bootedKernels } from '../../../../src/datapath/selftest/booted-kernels.ts'
import { accelerating, distributions } from '../../../../src/datapath/selftest/distributions.ts'
import { kernelsThatWork } from '../../../../src/cli/commands/doctor.ts'

void test('the policy of a distribution is that of booted kernels, or unknown', async (t) => {
  for (const { name, kernel, policies, known } of distributions) {
    t.equal(policies.length > 0, known !== 'not tested', `${name} ${kernel}: ${known}`)
  }
  const named = distributions.map(({ name, kernel }) => `${name} ${kernel}`)
  t.equal(new Set(named).size, named.length, 'each has one line')
})

void test('a booted kernel has one line', async (t) => {
  const lines = bootedKernels.map(({ suite, series, flavour, machine }) =>
    [suite, series, flavour, machine].join(' '),
  )
  t.equal(new Set(lines).size, lines.length)
})

void test('a refused kernel is told of those that work', async (t) => {
  t.ok(accelerating.length > 0)
  t.notOk(accelerating.some(({ policies }) => policies.includes('refused')))
  const load = { name: 'programs-load', ok: false, detail: 'EINVAL' } as const
  const text = kernelsThatWork({ policy: 'refused', probes: [load] })
  t.match(text, /Debian 13: 6\.12 \(full\)/)
  t.equal(kernelsThatWork({ policy: 'strict', probes: [load] }), '', 'others accelerate')
  t.equal(
    kernelsThatWork({ policy: 'refused', undecided: true, probes: [load] }),
    '',
    'a slow machine needs no other kernel',
  )
  t.equal(kernelsThatWork({ policy: 'refused', probes: [] }), '', 'nor does one that lacks a mount')
})
