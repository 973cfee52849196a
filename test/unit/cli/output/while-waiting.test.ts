import { EventEmitter, once } from 'node:events'
import { test } from 'tap'
import { whileWaiting } from '../../../../src/cli/output/while-waiting.ts'

void test('a wait says what it waits for, again and again, and stops with it', async (t) => {
  const said: string[] = []
  const guest = new EventEmitter()
  const write = (text: string): void => {
    said.push(text)
    if (said.length === 2) guest.emit('arrived')
  }
  const promise = once(guest, 'arrived').then(() => 'there')
  const result = await whileWaiting({ stderr: { write } }, 'for a guest', promise, {
    firstMs: 1,
    againMs: 1,
  })
  t.equal(result, 'there')
  t.match(said, Array(2).fill(/^waiting for a guest, \d+ s so far\n$/))
  t.equal(said.length, 2)
  const failed = Promise.reject(new Error('no'))
  await t.rejects(whileWaiting({ stderr: { write } }, 'in vain', failed), { message: 'no' })
  t.equal(said.length, 2)
})
