import { setImmediate } from 'node:timers/promises'
import { test } from 'tap'
import { RationedWalks } from '../../../../src/datapath/netns/rationed-walks.ts'

void test('walks come at once where few are asked for, and share rounds where many are', async (t) => {
  let now = 0
  const walked: bigint[] = []
  const walks = new RationedWalks(
    async (cookie) => {
      walked.push(cookie)
      now++
    },
    () => now,
  )
  walks.walkIfDue()
  t.strictSame(walked, [], 'nobody has asked')
  walks.ask(1n)
  walks.ask(2n)
  walks.ask(1n)
  walks.walkIfDue()
  await setImmediate()
  t.strictSame(walked.splice(0), [1n, 2n], 'at once, each once')

  // Two pods are requested all the time. Each walk takes 1.
  for (; now < 10_000; now++) {
    walks.ask(1n)
    walks.ask(2n)
    walks.walkIfDue()
    await setImmediate()
  }
  t.equal(walked.filter((cookie) => cookie === 1n).length, walked.length / 2)
  t.ok(walked.length <= 500, `${walked.length} of 10,000`)
  t.ok(walked.length > 450, `${walked.length} of 10,000`)

  walked.length = 0
  now += 10_000
  walks.walkIfDue()
  walks.ask(3n)
  walks.walkIfDue()
  t.notOk(walked.includes(3n), 'the one before has only just ended')
  await walks.walkNow()
  t.ok(walked.includes(3n), 'unless it must be now')
})

void test('rounds never overlap, and walkNow waits for the one that is under way', async (t) => {
  const walked: bigint[] = []
  let letGo: (() => void) | undefined
  const walks = new RationedWalks(async (cookie) => {
    walked.push(cookie)
    await new Promise<void>((resolve) => (letGo = resolve))
  })
  walks.ask(1n)
  walks.walkIfDue()
  walks.ask(2n)
  walks.walkIfDue()
  await setImmediate()
  t.strictSame(walked, [1n], 'the second round waits')
  const done = walks.walkNow()
  letGo?.()
  await setImmediate()
  t.strictSame(walked, [1n, 2n])
  letGo?.()
  await done
})
