import { test } from 'tap'
import { type Paired, pairedRatio } from '../../../src/lib/paired-ratio.ts'
import { seededRandom } from '../../../src/lib/seeded-random.ts'

const TRIALS = 200
const PAIRS = 15

type Random = () => number

/** A normally distributed number (Box and Muller). */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** Each returns the logarithm of the machine's slowness in each window of a trial. */
const machines: Readonly<Record<string, (random: Random, windows: number) => number[]>> = {
  noise: (random, windows) => Array.from({ length: windows }, () => 0.1 * normal(random)),
  drift: (random, windows) =>
    Array.from({ length: windows }, (_, at) => (0.8 * at) / windows + 0.05 * normal(random)),
  steps: (random, windows) => {
    let level = 0
    return Array.from({ length: windows }, () => {
      if (random() < 0.08) level += 0.5 * normal(random)
      return level + 0.05 * normal(random)
    })
  },
  autocorrelation: (random, windows) => {
    let level = 0
    return Array.from({ length: windows }, () => {
      level = 0.8 * level + 0.1 * normal(random)
      return level + 0.03 * normal(random)
    })
  },
}

function trial(seed: number, truth: number, machine: string, pairs = PAIRS): Paired[] {
  const random = seededRandom(seed)
  const slowness = (machines[machine]?.(random, 2 * pairs) ?? []).map(Math.exp)
  return Array.from({ length: pairs }, (_, pair): Paired => {
    const [first = 1, second = 1] = slowness.slice(2 * pair)
    return random() < 0.5 ? { on: truth * first, off: second } : { on: truth * second, off: first }
  })
}

for (const machine of Object.keys(machines)) {
  void test(`the interval covers the truth in 180 to 199 of 200 trials: ${machine}`, async (t) => {
    let covered = 0
    for (let seed = 1; seed <= TRIALS; seed += 1) {
      const ratio = pairedRatio(trial(seed, 0.8, machine))
      if (ratio && ratio.low <= 0.8 && 0.8 <= ratio.high) covered += 1
    }
    t.comment(`${covered} of ${TRIALS}`)
    t.ok(covered >= 180 && covered <= 199, `${covered}`)
  })
}

void test('many pairs are covered, too, and narrow the interval', async (t) => {
  let covered = 0
  for (let seed = 1; seed <= 20; seed += 1) {
    const few = pairedRatio(trial(seed, 1.2, 'noise', 10))
    const many = pairedRatio(trial(seed, 1.2, 'noise', 300))
    if (!few || !many) throw new Error('no ratio')
    if (many.low <= 1.2 && 1.2 <= many.high) covered += 1
    t.ok(many.high / many.low < few.high / few.low)
    t.equal(many.pairs, 300)
  }
  t.ok(covered >= 17, `${covered} of 20`)
})

void test('the same pairs give the same interval', async (t) => {
  const pairs = trial(7, 0.9, 'noise')
  t.strictSame(pairedRatio(pairs), pairedRatio(pairs))
})

void test('exact figures give an interval without width', async (t) => {
  const ratio = pairedRatio(Array.from({ length: 8 }, () => ({ on: 8, off: 10 })))
  t.match(ratio, { pairs: 8 })
  for (const value of [ratio?.low, ratio?.median, ratio?.high]) {
    t.ok(Math.abs((value ?? 0) - 0.8) < 1e-9)
  }
})

void test('five pairs say nothing', async (t) => {
  t.equal(pairedRatio(trial(1, 0.5, 'noise', 5)), undefined)
})
