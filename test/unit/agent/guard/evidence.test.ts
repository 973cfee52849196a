import { test } from 'tap'
import { alarmAt, evidenceOf, findingsOf, keptPairs } from '../../../../src/agent/guard/evidence.ts'
import { seededRandom } from '../../../../src/lib/seeded-random.ts'

type Random = () => number

const LIMIT = 1.1
const WINDOWS = 20_000

/** A normally distributed number (Box and Muller). */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** Student's t with 1.5 degrees of freedom, nearly: its variance is infinite. */
const heavyTailed = (random: Random): number =>
  normal(random) / Math.sqrt((1 - random()) ** (1 / 0.75))

/** Each makes a function that returns the logarithm of the machine's slowness in the next window. */
const machines: Readonly<Record<string, (random: Random) => () => number>> = {
  'hardly any noise': (random) => () => 0.02 * normal(random),
  noise: (random) => () => 0.15 * normal(random),
  'heavy tails': (random) => () => 0.1 * heavyTailed(random),
  drift: (random) => {
    let level = 0
    return () => (level += 0.05) + 0.05 * normal(random)
  },
  'a walk': (random) => {
    let level = 0
    return () => (level += 0.1 * normal(random))
  },
  steps: (random) => {
    let level = 0
    return () => {
      if (random() < 0.1) level = normal(random)
      return level + 0.03 * normal(random)
    }
  },
  autocorrelation: (random) => {
    let level = 0
    return () => (level = 0.9 * level + 0.1 * normal(random))
  },
  'a slow window now and then': (random) => () => (random() < 0.05 ? 2 : 0) + 0.05 * normal(random),
}

/** Returns the ratio of the next pair, whose windows come in an order of chance. */
function pairsOf(machine: string, seed: number, truth: number): () => number {
  const random = seededRandom(seed)
  const next = machines[machine]?.(random) ?? (() => 0)
  return () => {
    const [first, second] = [next(), next()]
    return truth * Math.exp(random() < 0.5 ? first - second : second - first)
  }
}

/** The pairs until the alarm; undefined if there is none within `most`. */
function untilAlarm(pair: () => number, most: number): number | undefined {
  const ratios: number[] = []
  for (let pairs = 1; pairs <= most; pairs += 1) {
    ratios.push(pair())
    if (ratios.length > keptPairs) ratios.shift()
    if (evidenceOf(ratios, LIMIT) >= alarmAt) return pairs
  }
  return undefined
}

function falseAlarms(machine: string, truth: number, windows: number): number {
  const pair = pairsOf(machine, 7, truth)
  let alarms = 0
  for (let left = windows / 2; left > 0; alarms += 1) {
    const used = untilAlarm(pair, left)
    if (used === undefined) return alarms
    left -= used
  }
  return alarms
}

for (const machine of Object.keys(machines)) {
  void test(`fewer than one false alarm in 1,000 windows: ${machine}`, async (t) => {
    // The worst case: acceleration slows by just as much as its users allow.
    const alarms = falseAlarms(machine, LIMIT, WINDOWS)
    t.comment(`${alarms} in ${WINDOWS} windows`)
    t.ok(alarms < WINDOWS / 4000, `${alarms}`)
  })
}

void test('no false alarm where acceleration changes nothing', async (t) => {
  for (const machine of Object.keys(machines)) {
    t.equal(falseAlarms(machine, 1, WINDOWS / 10), 0, machine)
  }
})

/** The pairs after which a slowdown of 20 % has to be found, by the noise of the machine. */
const bounds: Readonly<Record<string, number>> = {
  'hardly any noise': 20,
  drift: 60,
  steps: 60,
  autocorrelation: 100,
  'a slow window now and then': 60,
}

for (const [machine, most] of Object.entries(bounds)) {
  void test(`a slowdown of 20 % trips within ${most} pairs: ${machine}`, async (t) => {
    const found = Array.from({ length: 50 }, (_, at) =>
      untilAlarm(pairsOf(machine, at + 1, 1.2), most),
    )
    const missed = found.filter((pairs) => pairs === undefined).length
    const median = found.toSorted((one = most, other = most) => one - other)[25]
    t.comment(`median ${median} pairs, ${missed} of 50 later`)
    t.ok(missed <= 1, `${missed} of 50 later`)
  })
}

void test('more noise takes more pairs, and is found, too', async (t) => {
  const found = Array.from({ length: 20 }, (_, at) =>
    untilAlarm(pairsOf('noise', at + 1, 1.3), 300),
  )
  t.notOk(found.includes(undefined))
})

void test('a slowdown that begins late is found as fast', async (t) => {
  const before = pairsOf('hardly any noise', 1, 0.8)
  const after = pairsOf('hardly any noise', 2, 1.2)
  let pairs = 0
  const found = untilAlarm(() => ((pairs += 1) <= 500 ? before() : after()), 600)
  t.ok(found !== undefined && found > 500 && found <= 520, `${found}`)
})

void test('no single pair decides, however slow it was', async (t) => {
  t.equal(
    untilAlarm(() => 1e9, 20),
    14,
  )
})

void test('it trips once the whole interval is above the limit', async (t) => {
  t.equal(findingsOf([], LIMIT), undefined)
  t.strictSame(findingsOf([1.3, 1.1], LIMIT), {
    ratio: 1.2000000000000002,
    trips: false,
    isSuspicious: false,
  })
  const pair = pairsOf('a slow window now and then', 3, 1.2)
  const ratios: number[] = []
  let hasTripped = false
  while (ratios.length < 60) {
    ratios.push(pair())
    const { atLeast = 0, trips, isSuspicious } = findingsOf(ratios, LIMIT) ?? {}
    t.equal(atLeast > LIMIT, trips)
    if (trips) t.ok(isSuspicious)
    hasTripped ||= trips === true
  }
  t.ok(hasTripped)
  const { ratio = 0, atLeast = 0 } = findingsOf(ratios, LIMIT) ?? {}
  t.ok(atLeast < ratio && Math.abs(ratio - 1.2) < 0.05, `${atLeast} ${ratio}`)
})
