import { test } from 'tap'
import { addUp, type MeasuredPair } from '../../../../src/datapath/measure/add-up.ts'
import { measured } from '../../../../src/datapath/measure/generated.ts'

/** A record of zeroes except some numbers, by index. Each field has 64 bits. */
function record(groups: number[], numbers: Readonly<Record<number, bigint>>): MeasuredPair {
  const words = new BigUint64Array(measured.size / 8)
  for (const [at, number] of Object.entries(numbers)) words[Number(at)] = number
  return { groups, sums: measured.decode(new DataView(words.buffer), 0) }
}

const labels = ['unknown', 'shop', 'web']
const labelOf = (group: number): string => labels[group] ?? 'other'
/** Offsets in fields: a direction has two size histograms of 17 and two time histograms of 27. */
const [sizes, times, direction] = [17, 27, 88]

void test('what went from one group to another is added up, whoever was the client', (t) => {
  const clientShop = record([1, 2], {
    // By redirect from shop to web: one message of 64 bytes or less.
    [sizes]: 60n,
    [sizes + 1]: 1n,
    // And back, by TCP: two beyond the last bound.
    [direction]: 4_000_000n,
    [direction + sizes - 1]: 2n,
    // Requests by redirect: two up to 2.048 us.
    [2 * direction + times]: 3000n,
    [2 * direction + times + 2]: 2n,
  })
  const clientWeb = record([2, 1], {
    // Its answers went from shop to web as well, and were read.
    [direction + sizes]: 40n,
    [direction + sizes + 1]: 1n,
    [direction + 2 * sizes + times]: 500n,
    [direction + 2 * sizes + times + 1]: 1n,
  })
  const found = addUp([clientShop, clientWeb], labelOf)
  t.strictSame(
    found.map(({ source, destination, path }) => `${source} ${destination} ${path}`),
    ['shop web redirect', 'web shop tcp'],
    'nothing is told of what nobody did',
  )
  const [there, back] = found
  t.match(there?.messageBytes, { count: 2, sum: 100 })
  t.match(there?.requestSeconds, { count: 2, sum: 3e-6 })
  t.match(there?.readDelaySeconds, { count: 1, sum: 5e-7 })
  t.equal(there?.requestSeconds.counts[1], 2)
  t.equal(there?.requestSeconds.bounds[1], 2048e-9)
  t.match(back?.messageBytes, { count: 2, sum: 4_000_000 })
  t.equal(back?.messageBytes.counts.at(-1), 2, 'beyond the last bound')
  t.equal(back?.messageBytes.bounds.at(-1), 1 << 20)
  t.equal(back?.requestSeconds.count, 0, 'requests have a client as their source')
  t.end()
})

void test('groups without a name are one', (t) => {
  const one = record([0, 0xffff_ffff], { 0: 1n, 1: 1n })
  t.match(addUp([one], labelOf), [{ source: 'unknown', destination: 'other' }])
  t.end()
})
