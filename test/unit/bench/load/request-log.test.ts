import { test } from 'tap'
import {
  type LoggedRequest,
  parseRequestLog,
  steadyPart,
} from '../../../../bench/load/request-log.ts'

void test('a log has one request a line', (t) => {
  t.same(parseRequestLog('1795547790727194\t200\t183\n1795547790727189\t-1\t0\n'), [
    { startUs: 1795547790727194, status: 200, latencyUs: 183 },
    { startUs: 1795547790727189, status: -1, latencyUs: 0 },
  ])
  t.same(parseRequestLog(''), [])
  t.throws(() => parseRequestLog('garbage\n'), /not a line/)
  t.end()
})

const oneConnection = (count: number): LoggedRequest[] =>
  Array.from({ length: count }, (_, index) => ({
    startUs: 1_000_000 + index * 100,
    status: 200,
    latencyUs: 100,
  }))

void test('neither the beginning nor the end with fewer connections counts', (t) => {
  // Two connections are busy for 0.1 s, then one alone for as long again.
  const requests = [...oneConnection(1000), ...oneConnection(2000)]
  const steady = steadyPart(requests, 1_020_000)
  t.ok(Math.abs(steady.qps - 20_000) < 200, `${steady.qps} requests/s`)
  t.ok(Math.abs(steady.seconds - 0.08) < 0.001, `${steady.seconds} s`)
  t.same(steady.latencyUs, { p50: 100, p90: 100, p99: 100, p999: 100 })
  t.end()
})

void test('a run that was over before what counts has no speed', (t) => {
  const steady = steadyPart([{ startUs: 1000, status: 200, latencyUs: 10 }], 2000)
  t.equal(steady.qps, 0)
  t.ok(steady.seconds <= 0)
  t.end()
})
