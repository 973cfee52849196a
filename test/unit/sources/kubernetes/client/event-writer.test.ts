import { test } from 'tap'
import { MeshaccelError } from '../../../../../src/lib/errors.ts'
import { createLog } from '../../../../../src/lib/log.ts'
import type { ApiRequest } from '../../../../../src/sources/kubernetes/client/api.ts'
import { EventWriter } from '../../../../../src/sources/kubernetes/client/event-writer.ts'

/** A writer whose clock the test moves, and what it has written. */
function writing(fail?: () => MeshaccelError | undefined): {
  warn: (name: string, problem: string) => Promise<void>
  written: ApiRequest[]
  lines: string[]
  pass: (ms: number) => void
} {
  let now = 1_700_000_000_123
  const written: ApiRequest[] = []
  const lines: string[] = []
  const writer = new EventWriter({
    api: {
      call: async (request) => {
        const error = fail?.()
        if (error) throw error
        written.push(request)
        return JSON.parse('{}')
      },
    },
    node: 'node-1',
    log: createLog('debug', { write: (line) => lines.push(line) }),
    now: () => now,
  })
  const { signal } = new AbortController()
  return {
    warn: (name, problem) =>
      writer.warn(
        { kind: 'Pod', namespace: 'a', name, uid: `uid-${name}` },
        'Bad',
        problem,
        signal,
      ),
    written,
    lines,
    pass: (ms) => (now += ms),
  }
}

const failed = (code: string, reason: string): MeshaccelError =>
  new MeshaccelError(reason, { code, operation: 'write' })

void test('writes what kubectl shows', async (t) => {
  const { warn, written } = writing()
  await warn('one', 'wrong')
  t.match(written, [
    {
      path: '/api/v1/namespaces/a/events',
      body: {
        kind: 'Event',
        metadata: { name: /^one\.[0-9a-f]{16}$/, namespace: 'a' },
        involvedObject: {
          apiVersion: 'v1',
          kind: 'Pod',
          namespace: 'a',
          name: 'one',
          uid: 'uid-one',
        },
        type: 'Warning',
        reason: 'Bad',
        message: 'wrong',
        source: { component: 'meshaccel', host: 'node-1' },
        firstTimestamp: '2023-11-14T22:13:20Z',
        count: 1,
      },
    },
  ])
})

void test('tells the same once an hour', async (t) => {
  const { warn, written, pass } = writing()
  for (const problem of ['wrong', 'wrong', 'worse', 'wrong']) await warn('one', problem)
  t.equal(written.length, 2)
  pass(3_600_000)
  await warn('one', 'wrong')
  t.equal(written.length, 3)
})

void test('writes 20 at once, then one in 5 seconds, and forgets none', async (t) => {
  const { warn, written, pass } = writing()
  const all = async (): Promise<void> => {
    for (let number = 0; number < 30; number += 1) await warn(`pod-${number}`, 'wrong')
  }
  await all()
  t.equal(written.length, 20)
  pass(4_999)
  await all()
  t.equal(written.length, 20)
  pass(1)
  await all()
  t.equal(written.length, 21)
  pass(100_000)
  await all()
  t.equal(written.length, 30)
})

void test('an Event that is there is no trouble; one that is refused is said once', async (t) => {
  let error: MeshaccelError | undefined
  const { warn, lines } = writing(() => error)
  const failures = (): number => lines.filter((line) => line.includes('was not written')).length
  error = failed('API_CONFLICT', 'already exists')
  await warn('one', 'wrong')
  t.equal(failures(), 0)
  error = failed('API_FORBIDDEN', 'forbidden')
  await warn('two', 'wrong')
  await warn('three', 'wrong')
  t.equal(failures(), 1)
})
