import { EventEmitter, once } from 'node:events'
import { test } from 'tap'
import { whileWaiting } from '../../../../src/cli/output/while-waiting.ts'

/** A guest who arrives once `enough` says so of what was written. */
function party(isTTY: boolean, enough: (said: readonly string[]) => boolean): Party {
  const said: string[] = []
  const guest = new EventEmitter()
  const write = (text: string): void => {
    said.push(text)
    if (enough(said)) guest.emit('arrived')
  }
  return { said, stderr: { write, isTTY }, arrival: once(guest, 'arrived').then(() => 'there') }
}

interface Party {
  readonly said: string[]
  readonly stderr: { write: (text: string) => void; isTTY: boolean }
  readonly arrival: Promise<string>
}

const busy = (): Promise<string> => Promise.reject(new Error('the agent is busy'))
const soon = { firstMs: 1, againMs: 1, lookMs: 1 }

void test('a wait says what it waits for, again and again, and stops with it', async (t) => {
  const { said, stderr, arrival } = party(false, ({ length }) => length === 2)
  const result = await whileWaiting({ stderr }, 'for a guest', arrival, soon)
  t.equal(result, 'there')
  t.match(said, Array(2).fill(/^waiting for a guest, \d+ s so far\n$/))
  t.equal(said.length, 2)
  const failed = Promise.reject(new Error('no'))
  await t.rejects(whileWaiting({ stderr }, 'in vain', failed), { message: 'no' })
  t.equal(said.length, 2)
})

void test('on a terminal it shows the state, and how long it takes at most', async (t) => {
  let guests = 3
  const { said, stderr, arrival } = party(true, (texts) => texts.at(-1)?.includes(': 1') ?? false)
  const state = async (): Promise<string> => `${--guests} are missing`
  const options = { ...soon, timeoutMs: 30_000, state }
  await whileWaiting({ stderr }, 'for guests', arrival, options)
  t.equal(said[0], '\r\u001B[Kwaiting for guests: 2 are missing, at most 30 s left')
  t.match(said[1], ': 1 are missing')
  t.equal(said.at(-1), '\r\u001B[K')
})

void test('a state that nobody knows is left out', async (t) => {
  const { said, stderr, arrival } = party(false, ({ length }) => length === 1)
  await whileWaiting({ stderr }, 'for a guest', arrival, { ...soon, state: busy })
  t.match(said, [/^waiting for a guest, 0 s so far\n$/])
})
