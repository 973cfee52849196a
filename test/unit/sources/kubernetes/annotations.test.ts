import { deepStrictEqual } from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { maxRules } from '../../../../src/pods/exclusions.ts'
import {
  readBlockingReaders,
  readEnabled,
  readExclusions,
  readGuard,
} from '../../../../src/sources/kubernetes/annotations.ts'

const read = (annotations: Record<string, string>): ReturnType<typeof readExclusions> =>
  readExclusions(
    Object.fromEntries(
      Object.entries(annotations).map(([key, text]) => [`meshaccel.io/exclude-${key}`, text]),
    ),
  )

void test('enabled is "true" or "false", and nothing else', async (t) => {
  t.strictSame(readEnabled({ 'meshaccel.io/enable': 'true' }), {})
  t.strictSame(readEnabled({ 'meshaccel.io/enabled': 'true' }), { value: true })
  t.strictSame(readEnabled({ 'meshaccel.io/enabled': 'false' }), { value: false })
  for (const text of ['True', 'yes', '1', '', ' true', `"'${'x'.repeat(1_000)}`]) {
    const { problem, ...value } = readEnabled({ 'meshaccel.io/enabled': text })
    t.strictSame(value, {}, text)
    t.match(
      problem,
      /^meshaccel.io\/enabled must be "true" or "false", not ".{0,60}": it is ignored(; did you mean "true"\?)?$/,
    )
  }
})

void test('blocking readers are "accelerate" or "leave", and nothing else', async (t) => {
  const key = 'meshaccel.io/blocking-readers'
  t.strictSame(readBlockingReaders({}), {})
  t.strictSame(readBlockingReaders({ [key]: 'accelerate' }), { value: 'accelerate' })
  t.strictSame(readBlockingReaders({ [key]: 'leave' }), { value: 'leave' })
  const guesses: Readonly<Record<string, string | undefined>> = {
    Accelerate: 'accelerate',
    'accelerate ': 'accelerate',
    acelerate: 'accelerate',
    true: 'accelerate',
    yes: 'accelerate',
    leaves: 'leave',
    false: 'leave',
    off: 'leave',
    maybe: undefined,
    '': undefined,
  }
  for (const [text, guess] of Object.entries(guesses)) {
    const said = `${key} must be "accelerate" or "leave", not "${text}": it is ignored`
    t.strictSame(readBlockingReaders({ [key]: text }), {
      problem: guess === undefined ? said : `${said}; did you mean "${guess}"?`,
    })
  }
})

void test('a guard has a limit in percent, or is off', async (t) => {
  const key = 'meshaccel.io/guard'
  t.strictSame(readGuard({}), {})
  t.strictSame(readGuard({ [key]: '10%' }), { value: 10 })
  t.strictSame(readGuard({ [key]: 'off' }), { value: 0 })
  t.strictSame(readGuard({ [key]: 'true' }), {
    problem: `${key} must be a percentage such as "10%", or "off", not "true": it is ignored`,
  })
})

void test('exclusions', async (t) => {
  t.strictSame(read({}), { problems: [] })
  t.strictSame(read({ ports: ' ', uids: '' }), { problems: [] })
  t.strictSame(
    read({
      ports: '80, 8000-9000,65535',
      cidrs: '10.0.0.0/8,fd00::/8, 192.0.2.1,::1',
      uids: '0,1337,4294967294',
    }),
    {
      value: {
        ports: [
          { from: 80, to: 80 },
          { from: 8000, to: 9000 },
          { from: 65_535, to: 65_535 },
        ],
        cidrs: ['10.0.0.0/8', 'fd00::/8', '192.0.2.1/32', '::1/128'],
        uids: [0, 1337, 4_294_967_294],
      },
      problems: [],
    },
  )
  const many = Array.from({ length: maxRules }, (_, index) => index + 1).join()
  t.match(read({ uids: many }), { problems: [] })
  t.match(read({ uids: `${many},99` }), {
    value: 'invalid',
    problems: ['meshaccel.io/exclude-uids: there are more than 32: the pod is not accelerated'],
  })
  const bad = {
    ports: ['0', '65536', '9-8', '1-2-3', 'http', '-5', '1,,2', '+1', '1e3', '0x10'],
    cidrs: [
      '10.0.0.0/33',
      '10.0.0/8',
      'fd00::/129',
      'fe80::1%eth0',
      '10.0.0.0/8/8',
      'a',
      '1.2.3.4/',
    ],
    uids: ['-1', '4294967295', 'root', '1.5'],
  }
  for (const [key, texts] of Object.entries(bad)) {
    for (const text of texts) {
      const { value, problems } = read({ [key]: text, ...(key === 'uids' ? {} : { uids: '5' }) })
      t.equal(value, 'invalid', `${key}: ${text}`)
      t.match(problems, [
        new RegExp(`^meshaccel.io/exclude-${key}: ".*" is not .*not accelerated$`),
      ])
    }
  }
})

void test('whatever is written is read as it was meant, or it is invalid with a reason', async () => {
  const port = fc.integer({ min: 1, max: 65_535 })
  const range = fc.tuple(port, port).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }))
  const cidr = fc.oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
    fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
  )
  const up = { minLength: 1, maxLength: maxRules }
  fc.assert(
    fc.property(fc.array(range, up), fc.array(cidr, up), (ranges, cidrs) => {
      const texts = cidrs.map((parts) => parts.join('/'))
      const ports = ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
      deepStrictEqual(read({ ports: ports.join(' ,'), cidrs: texts.join() }), {
        value: { ports: ranges, cidrs: texts, uids: [] },
        problems: [],
      })
    }),
  )
  const key = fc.constantFrom('ports', 'cidrs', 'uids')
  const text = fc.stringMatching(/^[0-9a-f.:/,% -]*$/)
  fc.assert(
    fc.property(key, fc.oneof(text, fc.string()), (kind, value) => {
      const { value: rules, problems } = read({ [kind]: value })
      deepStrictEqual(rules === 'invalid', problems.length === 1)
    }),
    { numRuns: 2_000 },
  )
})
