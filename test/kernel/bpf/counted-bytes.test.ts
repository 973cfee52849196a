import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ChildProcess } from 'node:child_process'
import { test } from 'tap'
import { nginxConfig, writePayloads } from '../../../bench/proxies/nginx.ts'
import { allRedirected } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

const CONNECTIONS = 8
const PORT = 8080
const BODY_BYTES = 65_536

/** wrk's exact sums: its usual output is rounded. */
const script = `done = function(summary)
  io.write(string.format("%d %d %d\\n", summary.requests, summary.bytes,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout))
end
`

void test('the counters agree with the bytes that wrk received', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const [client, server] = [mesh.pod(0), mesh.pod(1)]
  const agent = await mesh.startAgent()
  serveFrom(mesh.directory, server.address)
  server.start('nginx', '-p', mesh.directory, '-c', join(mesh.directory, 'nginx.conf'))
  await until('nginx listens', () => server.exec('ss', '-Hltn', `sport = :${PORT}`).length > 0)

  writeFileSync(join(mesh.directory, 'sums.lua'), script)
  const load = ['-t1', `-c${CONNECTIONS}`, '-d4s', '-s', join(mesh.directory, 'sums.lua')]
  const wrk = client.start('wrk', ...load, `http://${server.address}:${PORT}/${BODY_BYTES}`)
  const output = outputOf(wrk)
  await until('all are redirected', async () => allRedirected(await agent.flows(), CONNECTIONS))
  const begin = (await agent.status()).totals
  const sums = /^(\d+) (\d+) (\d+)$/m.exec(await output)
  const [requests = 0, received = 0, errors = 0] = (sums ?? []).slice(1).map(Number)
  t.ok(requests > CONNECTIONS)
  t.equal(errors, 0)
  await until('all its connections are closed', async () => (await agent.flows()).length === 0)

  const { totals } = await agent.status()
  const [redirected, tcp] = [Number(totals.redirectedBytes), Number(totals.tcpBytes)]
  const answer = received / requests
  const request = requestBytes(server.address)
  // Requests in flight when wrk stopped were answered at least in part, but wrk does not count them.
  t.ok(redirected + tcp >= requests * (answer + request), 'nothing is missing')
  t.ok(
    redirected + tcp <= (requests + CONNECTIONS) * (answer + request),
    'nothing is counted twice',
  )
  const plain = totals.tcpBytes - begin.tcpBytes
  const fast = totals.redirectedBytes - begin.redirectedBytes
  t.ok(fast > 99n * plain, `once all had joined ${fast} bytes were redirected, ${plain} not`)
})

function serveFrom(directory: string, host: string): void {
  mkdirSync(join(directory, 'payloads'), { recursive: true })
  writePayloads(directory, [BODY_BYTES])
  const address = { host, port: PORT, socket: join(directory, 'nginx.sock') }
  writeFileSync(join(directory, 'nginx.conf'), nginxConfig(directory, address))
}

/** The length of wrk's request. */
const requestBytes = (host: string): number =>
  `GET /${BODY_BYTES} HTTP/1.1\r\nHost: ${host}:${PORT}\r\n\r\n`.length

async function outputOf(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout?.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr?.on('data', (data: Buffer) => (output += data.toString()))
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new Error(`wrk: exit ${String(code)}: ${output}`)
  return output
}
