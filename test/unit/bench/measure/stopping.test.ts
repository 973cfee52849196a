import { test } from 'tap'
import { ratioInterval } from '../../../../bench/measure/intervals.ts'
import { arePrecise, isLook, widthOf } from '../../../../bench/measure/stopping.ts'
import type { Paired, RatioInterval } from '../../../../src/lib/paired-ratio.ts'
import { seededRandom } from '../../../../src/lib/seeded-random.ts'

const BENCHES = 200
const MOST_ROUNDS = 11
const PRECISION = 0.03

type Random = () => number

/** A normally distributed number (Box and Muller). */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** Each returns the logarithm of the machine's slowness in each run of a bench. `noise` is that of a run. */
const machines: Readonly<Record<string, (random: Random, noise: number) => () => number>> = {
  noise: (random, noise) => () => noise * normal(random),
  drift: (random, noise) => {
    let level = 0
    return () => (level += 0.01) + noise * normal(random)
  },
  steps: (random, noise) => {
    let level = 0
    return () => {
      if (random() < 0.03) level += 0.3 * normal(random)
      return level + noise * normal(random)
    }
  },
}

interface Bench {
  readonly ratio: RatioInterval
  readonly isPrecise: boolean
}

/** A bench of two modes in a random order, until its ratio is precise or the time is up. */
function bench(seed: number, truth: number, machine: string, noise: number): Bench {
  const random = seededRandom(seed)
  const slowness = machines[machine]?.(random, noise) ?? ((): number => 0)
  const pairs: Paired[] = []
  for (;;) {
    const [one, other] = [Math.exp(slowness()), Math.exp(slowness())]
    const order = random() < 0.5 ? { on: one, off: other } : { on: other, off: one }
    pairs.push({ on: truth * order.on, off: order.off })
    const isOver = pairs.length === MOST_ROUNDS
    if (!isLook(pairs.length) && !isOver) continue
    const ratio = ratioInterval(pairs)
    if (!ratio) throw new Error('no ratio')
    const isPrecise = arePrecise([ratio], PRECISION)
    if (isPrecise || isOver) return { ratio, isPrecise }
  }
}

for (const machine of Object.keys(machines)) {
  // With 0.4 % a bench stops at its first look, with 1.2 % at some later one, or not.
  for (const noise of [0.004, 0.012]) {
    const title = `${machine} of ${noise * 100} %`
    void test(`the interval at the stop covers the truth in 180 to 199 of 200: ${title}`, async (t) => {
      let covered = 0
      for (let seed = 1; seed <= BENCHES; seed += 1) {
        const { ratio } = bench(seed, 1.3, machine, noise)
        if (ratio.low <= 1.3 && 1.3 <= ratio.high) covered += 1
      }
      t.comment(`${covered} of ${BENCHES}`)
      t.ok(covered >= 180 && covered <= 199, `${covered}`)
    })
  }
}

void test('a quiet machine stops early, and a noisy one at the end', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const quiet = bench(seed, 1, 'noise', 0.002)
    t.match(quiet, { isPrecise: true, ratio: { pairs: 6 } })
    t.ok(widthOf(quiet.ratio) < PRECISION)
    t.match(bench(seed, 1, 'noise', 0.1), { isPrecise: false, ratio: { pairs: MOST_ROUNDS } })
  }
})

void test('looks become rarer', async (t) => {
  const rounds = Array.from({ length: 100 }, (_, index) => index + 1)
  t.same(rounds.filter(isLook), [6, 8, 11, 15, 20, 27, 36, 48, 64, 86])
})

void test('each ratio has to be precise, and a mode that broke has none', async (t) => {
  const wide = { median: 1, low: 0.98, high: 1.02, pairs: 9 }
  const narrow = { median: 2, low: 1.98, high: 2.02, pairs: 9 }
  t.ok(arePrecise([narrow, undefined], PRECISION))
  t.notOk(arePrecise([narrow, wide], PRECISION))
  t.ok(arePrecise([narrow, wide], 0.05))
  t.notOk(arePrecise([{ ...narrow, pairs: 5 }], PRECISION), 'five agree by chance')
})
