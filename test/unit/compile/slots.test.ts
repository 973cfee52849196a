import { test } from 'tap'
import { Slots } from '../../../src/compile/slots.ts'

void test('so many jobs run at once, so many wait, and others are told to come back', async (t) => {
  const slots = new Slots(2, 1)
  const started: number[] = []
  const ends: (() => void)[] = []
  const job = (slot: number): Promise<number> => {
    started.push(slot)
    return new Promise((resolve) => ends.push(() => resolve(slot)))
  }
  const first = slots.run(job)
  const second = slots.run(job)
  const third = slots.run(job)
  await t.rejects(slots.run(job), { code: 'BUSY', retryable: true, hint: /Try again/ })
  t.same([started.length, slots.waiting], [2, 1])
  t.not(started[0], started[1], 'jobs that run at once have different slots')
  ends[0]?.()
  t.equal(await first, started[0])
  t.equal(started[2], started[0], 'a slot goes to the next one')
  ends[1]?.()
  ends[2]?.()
  await Promise.all([second, third])

  await t.rejects(
    slots.run(async () => {
      throw new Error('broken')
    }),
  )
  const both = [slots.run(job), slots.run(job)]
  t.equal(ends.length, 5, 'a job that fails gives its slot back')
  for (const end of ends) end()
  await Promise.all(both)
})
