import { test } from 'tap'
import { checkAnswers, h2loadArguments, parseH2load } from '../../../../bench/load/h2load.ts'

const load = {
  target: { host: '10.0.0.2', port: 8080 },
  payloadBytes: 81,
  connections: 4,
  close: false,
  expectedMs: 1_000,
}

const output = `finished in 247.52ms, 80803.18 req/s, 24.51MB/s
requests: 200 total, 200 started, 200 done, 200 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 200 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 6.07MB (63600) total, 3.55MB (37200) headers (space savings 0.00%), 1.54MB (16200) data
`

const logged = Array.from({ length: 200 }, () => ({ startUs: 1, status: 200, latencyUs: 1 }))

void test('the arguments speak to an address or to a Unix socket', (t) => {
  const tcp = h2loadArguments(load, 100, '/tmp/log')
  t.equal(tcp.at(-1), 'http://10.0.0.2:8080/81')
  t.notOk(tcp.some((argument) => argument.includes('unix') || argument.includes('Connection')))
  const unix = h2loadArguments(
    { ...load, target: { socket: '/tmp/s' }, close: true },
    9,
    '/tmp/log',
  )
  t.ok(unix.includes('--base-uri=unix:/tmp/s'))
  t.ok(unix.includes('--header=Connection: close'), 'with the space that some servers insist on')
  t.ok(unix.includes('--requests=9'))
  t.end()
})

void test('the summary is read', (t) => {
  t.same(parseH2load(output), {
    succeeded: 200,
    ok: 200,
    bodyBytes: 16200,
  })
  t.throws(() => parseH2load('no such thing'), /h2load/)
  t.end()
})

void test('every answer must be right', (t) => {
  const summary = parseH2load(output)
  t.doesNotThrow(() => checkAnswers(summary, logged, load, 200))
  const wrong = { code: 'WRONG_ANSWER' }
  t.throws(() => checkAnswers({ ...summary, succeeded: 199 }, logged, load, 200), wrong)
  t.throws(() => checkAnswers({ ...summary, ok: 199 }, logged, load, 200), wrong)
  t.throws(() => checkAnswers({ ...summary, bodyBytes: 16201 }, logged, load, 200), wrong)
  t.throws(() => checkAnswers(summary, logged.slice(1), load, 200), wrong)
  const odd = [...logged.slice(1), { startUs: 1, status: 204, latencyUs: 1 }]
  t.throws(() => checkAnswers(summary, odd, load, 200), wrong)
  t.end()
})
