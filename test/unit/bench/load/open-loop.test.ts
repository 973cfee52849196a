import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { summarise } from '../../../../bench/load/open-loop.ts'
import { loadProgram } from '../../../../bench/load/program.ts'
import { parseRequestLog } from '../../../../bench/load/request-log.ts'

const run = promisify(execFile)

async function listen(server: Server, where: { port: number } | { path: string }): Promise<string> {
  server.listen({ host: '127.0.0.1', ...where })
  await once(server, 'listening')
  const address = server.address()
  if (address === null) throw new Error('it does not listen')
  return typeof address === 'string' ? `unix:${address}` : `127.0.0.1:${address.port}`
}

/** A server of 81 bytes; `stallMs` before its answer to the request of that number. */
function serve(stalls: Readonly<Record<number, number>> = {}, body = 'x'.repeat(81)): Server {
  let requests = 0
  return createServer((_request, response) => {
    requests += 1
    response.setHeader('Content-Length', body.length)
    setTimeout(() => response.end(body), stalls[requests] ?? 0)
  })
}

const load = (address: string, connections: number, rate: number, ms: number): string[] => [
  address,
  '/81',
  '81',
  ...[connections, rate, ms].map(String),
]

void test('requests are due by the clock, over TCP and over a Unix socket', async (t) => {
  // A socket's path is short.
  const directory = mkdtempSync(join(tmpdir(), 'open-loop-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  for (const where of [{ port: 0 }, { path: join(directory, 's') }]) {
    const server = serve()
    t.teardown(() => server.close())
    const args = load(await listen(server, where), 4, 1000, 300)
    const requests = parseRequestLog((await run(loadProgram('open-loop'), args)).stdout)
    t.equal(requests.length, 300)
    t.ok(requests.some(({ status }) => status === 200))
    const dues = requests.map(({ startUs }) => startUs)
    const steps = dues.slice(1).map((due, index) => due - (dues[index] ?? 0))
    t.ok(
      steps.every((step) => Math.abs(step - 1000) <= 1),
      'a millisecond apart, exactly',
    )
  }
})

void test('a stall counts for every request that was due meanwhile', async (t) => {
  const stallMs = 400
  const server = serve({ 50: stallMs })
  t.teardown(() => server.close())
  const args = load(await listen(server, { port: 0 }), 1, 1000, 500)
  const requests = parseRequestLog((await run(loadProgram('open-loop'), args)).stdout)
  const slow = requests.filter(({ latencyUs }) => latencyUs > (stallMs / 4) * 1000)
  // One request was slow; a closed loop would have seen that one only.
  t.ok(slow.length >= (stallMs * 3) / 4, `${slow.length} were late`)
  t.equal(requests.length, 500)
})

void test('what could not be sent is not forgotten', async (t) => {
  const server = serve({ 1: 700 })
  t.teardown(() => server.close())
  const args = load(await listen(server, { port: 0 }), 1, 100, 200)
  const { stdout } = await run(loadProgram('open-loop'), args)
  const { unsentShare, latencyUs } = summarise(stdout, 100, 0)
  t.equal(unsentShare, 19 / 20)
  t.ok(latencyUs.p50 > 200_000)
})

void test('a wrong answer is an error', async (t) => {
  const short = serve({}, 'x'.repeat(80))
  const closing = createServer((_request, response) => response.socket?.destroy())
  const failing = createServer((_request, response) => {
    response.statusCode = 503
    response.end('x'.repeat(81))
  })
  for (const [server, said] of [
    [short, 'another length'],
    [closing, 'closed'],
    [failing, '503'],
  ] as const) {
    t.teardown(() => server.close())
    const args = load(await listen(server, { port: 0 }), 1, 100, 100)
    const failure: unknown = await run(loadProgram('open-loop'), args).catch(
      (error: unknown) => error,
    )
    t.match(failure, { code: 1, stderr: said })
  }
})

void test('the beginning does not count', (t) => {
  const log = Array.from({ length: 100 }, (_, ms) => `${ms * 1000}\t200\t${ms < 50 ? 900 : 100}\n`)
  const figures = summarise(log.join(''), 1000, 50)
  t.match(figures, { rate: 1000, unsentShare: 0, latencyUs: { p50: 100, p99: 100 } })
  t.end()
})
