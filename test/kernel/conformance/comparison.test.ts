import { test } from 'tap'
import { compareAll, diff } from './comparison.ts'
import { differs, renderDocument } from './document.ts'
import { documentedKernel, documentedVerdicts } from './documented.ts'
import type { Outcome, Outcomes } from './runs.ts'

void test('a difference shows what is missing and what is new', async (t) => {
  t.strictSame(diff(['a', 'b', 'c'], ['a', 'c']), ['  a', '- b', '  c'])
  t.strictSame(diff(['a'], ['b']), ['- a', '+ b'])
  t.strictSame(diff(['a'], ['a', 'a']), ['  a', '+ a'])
  t.strictSame(diff([], []), [])
})

const one = (outcome: Outcome): Outcomes => new Map([['one', outcome]])

void test('one arm that differs makes a case differ', async (t) => {
  const plain = one({ transcript: ['recv = 5'] })
  const same = one({ transcript: ['recv = 5'], membership: 'joined' })
  const other = one({ transcript: ['recv = 3'], membership: 'joined' })
  const [all] = compareAll(plain, { joined: same, mid: same, trusted: new Map() })
  t.match(all, { name: 'one', arms: { joined: { verdict: 'same' } } })
  t.notOk(all && differs(all))
  const [midway] = compareAll(plain, { joined: same, mid: other, trusted: new Map() })
  t.ok(midway && differs(midway))
  t.strictSame(midway?.arms.mid?.difference, ['- recv = 5', '+ recv = 3'])
})

const kernel = { series: '6.18', policy: 'strict' }

void test('the document tells why a case stayed on TCP, and what nobody has explained', async (t) => {
  const plain = one({ transcript: ['recv = 5'] })
  const kept = one({ transcript: ['recv = 5'], membership: 'waitall' })
  const other = one({ transcript: ['recv = 3'], membership: 'joined' })
  const cases = compareAll(plain, { joined: kept, mid: kept, trusted: other })
  const text = renderDocument(kernel, cases, {}, [])
  t.match(text, '| [one](#one) | same (waitall) | same (waitall) | differs |')
  t.match(text, 'This has no explanation yet.')
  t.match(text, '1 cases; 0 differ, 1 more')
})

void test('a case that the kernel cannot run is neither the same nor different', async (t) => {
  const skipped = one({ transcript: [], skipped: 'no TLS in the kernel' })
  const cases = compareAll(skipped, { joined: skipped, mid: skipped, trusted: new Map() })
  t.notOk(cases.some(differs))
  t.match(renderDocument(kernel, cases, {}, []), '| one | not here | not here |')
})

void test('what a document says can be read back from it, and what other kernels answer', async (t) => {
  const plain = one({ transcript: ['recv = 5'] })
  const kept = one({ transcript: ['recv = 5'], membership: 'waitall' })
  const other = one({ transcript: ['recv = 3'], membership: 'joined' })
  const cases = compareAll(plain, { joined: kept, mid: other, trusted: new Map() })
  const full = {
    where: 'policy full',
    applies: () => true,
    cases: { one: { mid: 'same' } },
    why: 'It can.',
  } as const
  const document = renderDocument(kernel, cases, {}, [full])
  t.strictSame(documentedKernel(document), kernel)
  t.strictSame(Object.fromEntries(documentedVerdicts(document)), {
    one: { joined: 'same', mid: 'differs' },
  })
  t.match(document, '| policy full | one |  | same |  | It can. |')
})
