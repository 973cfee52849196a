/**
 * `client.mjs HOST CONNECTIONS`: sends random bytes over so many connections that stay open, compares what comes back,
 * and prints a line of JSON with the totals four times a second. A failure is counted and never made good. SIGUSR2 has it
 * pause, and go on.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClientReport } from './reports.ts'

const [host = '', connections = '1'] = process.argv.slice(2)
const pool = randomBytes(1 << 20)
const largest = 64 << 10
const report = {
  at: 0,
  requests: 0,
  bytes: 0,
  opened: 0,
  failed: 0,
  error: '',
} satisfies ClientReport

const mood = { paused: false }
process.on('SIGUSR2', () => (mood.paused = !mood.paused))

async function keepAsking(): Promise<never> {
  // One connection, until it breaks.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (;;) {
    const start = randomInt(pool.length - largest)
    // Mostly small, as requests are.
    const size = Math.round(largest ** Math.random())
    try {
      await ask(agent, pool.subarray(start, start + size))
      report.requests += 1
      report.bytes += 2 * size
    } catch (error) {
      report.failed += 1
      report.error = String(error)
      await pause(100)
    }
    do await pause(5)
    while (mood.paused)
  }
}

function ask(agent: Agent, sent: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { host, port: 8080, method: 'POST', agent, timeout: 20_000 }
    const asked = request(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode, headers } = response
        if (statusCode !== 200)
          reject(new Error(`status ${statusCode}: ${String(Buffer.concat(chunks))}`))
        else if (headers['server'] !== 'envoy') reject(new Error('no sidecar in between'))
        else if (!Buffer.concat(chunks).equals(sent)) reject(new Error('other bytes came back'))
        else resolve()
      })
    })
    asked.on('socket', (socket) => {
      if (socket.connecting) report.opened += 1
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 20 s')))
    asked.on('error', reject)
    asked.end(sent)
  })
}

process.on('SIGTERM', () => process.exit(0))
for (let i = 0; i < Number(connections); i++) void keepAsking()
setInterval(() => console.log(JSON.stringify({ ...report, at: Date.now() })), 250)
