import { test } from 'tap'
import { metricsPort, parseFigures } from '../../../../bench/modes/agent-metrics.ts'

const page = `# HELP meshaccel_redirected_bytes_total Bytes that skipped the stack.
# TYPE meshaccel_redirected_bytes_total counter
meshaccel_redirected_bytes_total 4242
meshaccel_tcp_bytes_total 1e+21
meshaccel_connections{state="joined"} 9
meshaccel_connections{state="engaged"} 7
`

void test('the figures of an agent are read from its metrics', async (t) => {
  t.same(parseFigures(page), { engaged: 7, bytes: { redirected: 4242, tcp: 1e21 } })
  t.throws(() => parseFigures(''), { code: 'METRICS_MISSING' })
})

void test('the log tells the port', async (t) => {
  const line = '{"level":"info","host":"127.0.0.1","port":4567,"msg":"serves probes and metrics"}'
  t.equal(metricsPort(`{"msg":"self-test"}\n${line}\n`), 4567)
  t.equal(metricsPort('{"msg":"self-test"}'), undefined)
})
