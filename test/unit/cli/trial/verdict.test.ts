import { test } from 'tap'
import { opinionOf, pairsNeeded, verdictOf } from '../../../../src/cli/trial/verdict.ts'
import { pairedRatio, type RatioInterval } from '../../../../src/lib/paired-ratio.ts'
import { seededRandom } from '../../../../src/lib/seeded-random.ts'

const ratio = (low: number, high: number, pairs = 15): RatioInterval => ({
  low,
  median: Math.sqrt(low * high),
  high,
  pairs,
})
const same = ratio(0.99, 1.01)

void test('an opinion takes the whole interval', async (t) => {
  t.equal(opinionOf(ratio(0.7, 0.96), 0.03), 'better')
  t.equal(opinionOf(ratio(0.7, 0.98), 0.03), 'unsure')
  t.equal(opinionOf(ratio(0.98, 1.02), 0.03), 'same')
  t.equal(opinionOf(ratio(1.02, 1.3), 0.03), 'unsure')
  t.equal(opinionOf(ratio(1.04, 1.3), 0.03), 'worse')
})

void test('one figure that is worse decides, then one that is better', async (t) => {
  const figures = { p50: same, p99: same, cpu: same }
  t.equal(verdictOf(figures), 'no-difference')
  t.equal(verdictOf({ ...figures, cpu: ratio(0.6, 0.8) }), 'gains')
  t.equal(verdictOf({ ...figures, cpu: ratio(0.6, 0.8), p99: ratio(1.3, 1.4) }), 'loses')
  t.equal(verdictOf({ ...figures, p99: ratio(0.7, 1.4) }), 'not-sure')
  t.equal(verdictOf({ p50: same, p99: same }), 'no-difference', 'without processor time')
  t.equal(verdictOf({}), 'not-sure')
})

void test('the estimate grows with the square of the width', async (t) => {
  const narrow = pairsNeeded({ p50: ratio(0.92, 0.99) })
  const wide = pairsNeeded({ p50: ratio(0.85, 1.07) })
  t.ok(narrow !== undefined && wide !== undefined && wide > 4 * narrow, `${narrow} and ${wide}`)
  t.equal(pairsNeeded({ p50: ratio(0.96, 0.982) }), undefined, 'at the border nothing helps')
  t.equal(pairsNeeded({}), 6)
})

const TRIALS = 20

/** The verdicts of trials whose true ratios are `truth`, on a machine with noise and drift. */
function verdicts(truth: number, noise: number): Record<string, number> {
  const found: Record<string, number> = {}
  for (let seed = 1; seed <= TRIALS; seed += 1) {
    const random = seededRandom(seed)
    const slow = (pair: number, share: number): number =>
      Math.exp(0.01 * pair + share * noise * (random() + random() + random() + random() - 2))
    const figure = (share: number): RatioInterval | undefined =>
      pairedRatio(
        Array.from({ length: 15 }, (_, pair) => ({
          on: truth * slow(pair, share),
          off: slow(pair, share),
        })),
      )
    const [p50, p99, cpu] = [figure(1), figure(3), figure(0.5)]
    if (!p50 || !p99 || !cpu) throw new Error('no ratio')
    const verdict = verdictOf({ p50, p99, cpu })
    found[verdict] = (found[verdict] ?? 0) + 1
  }
  return found
}

void test('a difference of 20 % is found, and none is not invented', async (t) => {
  const [gains, loses, none, noisy] = [
    verdicts(0.8, 0.1),
    verdicts(1.2, 0.1),
    verdicts(1, 0.02),
    verdicts(1, 0.15),
  ]
  t.comment(JSON.stringify({ gains, loses, none, noisy }))
  t.ok((gains['gains'] ?? 0) >= TRIALS - 1)
  t.ok((loses['loses'] ?? 0) >= TRIALS - 1)
  t.ok((none['no-difference'] ?? 0) >= TRIALS - 1)
  t.ok((noisy['gains'] ?? 0) + (noisy['loses'] ?? 0) <= 1, 'noise is no verdict')
})
