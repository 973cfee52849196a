import { setImmediate } from 'node:timers/promises'
import { test } from 'tap'
import { Rest } from '../../../src/sources/kubernetes/rest.ts'

const LONG_MS = 1_000_000

void test('a rest lasts as long as it is to', async (t) => {
  const begin = performance.now()
  await new Rest(20, () => false).take()
  t.ok(performance.now() - begin > 19)
})

void test('who is urgent ends those that are being taken, and takes none', async (t) => {
  let urgent = false
  const rest = new Rest(LONG_MS, () => urgent)
  let over = 0
  const taken = [rest.take(), rest.take()].map(async (one) => {
    await one
    over += 1
  })
  await setImmediate()
  t.equal(over, 0)
  rest.end()
  await Promise.all(taken)
  urgent = true
  await rest.take()
  t.equal(over, 2)
})
