import { test } from 'tap'
import { planWindows } from '../../../../src/agent/trial/windows.ts'
import { seededRandom } from '../../../../src/lib/seeded-random.ts'

void test('each pair has one window of both kinds, in an order of chance', async (t) => {
  const windows = planWindows(200, seededRandom(1))
  t.equal(windows.length, 400)
  let first = 0
  for (let pair = 1; pair <= 200; pair += 1) {
    const [one, other, ...more] = windows.slice(2 * pair - 2, 2 * pair)
    t.strictSame([one?.pair, other?.pair, more], [pair, pair, []])
    t.not(one?.on, other?.on)
    if (one?.on) first += 1
  }
  t.ok(first > 70 && first < 130, `${first} of 200 begin with acceleration`)
  t.strictSame(planWindows(5, seededRandom(9)), planWindows(5, seededRandom(9)))
})
