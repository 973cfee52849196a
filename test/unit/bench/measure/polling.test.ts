import { test } from 'tap'
import { pollUntil, stillWaiting } from '../../../../bench/measure/polling.ts'

void test('a wait of the bench says how it stands', async (t) => {
  t.equal(
    stillWaiting('wait for nginx on port 8080', 3_200, 30_000, 'bind: in use\nstill trying\n'),
    'wait for nginx on port 8080: 3 s of 30 s so far: still trying',
  )
  t.equal(stillWaiting('wait for it', 400, 60_000), 'wait for it: 0 s of 60 s so far')
})

void test('a wait of the bench says so while it waits', async (t) => {
  const said: string[] = []
  const answer = await pollUntil(() => (said.length === 0 ? undefined : 'there'), {
    operation: 'wait for a guest',
    waiting: { signal: new AbortController().signal, say: (text) => said.push(text) },
    quietMs: 0,
    reason: () => 'the door is locked',
  })
  t.equal(answer, 'there')
  t.match(said, [/^wait for a guest: 0 s of 30 s so far: the door is locked$/])
})
