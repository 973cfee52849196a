/**
 * Prints what a compile server takes: `npm run compile-load -- [CLIENTS] [SECONDS]`. Each client has a connection of its own
 * and asks for the same source again and again, so that the cache answers.
 */
import { availableParallelism, release } from 'node:os'
import type { CompileClient } from '../../../src/compile/client.ts'
import { program, request, Serving } from './serving.ts'

const [clients = 50, seconds = 5] = process.argv.slice(2).map(Number)
await using serving = await Serving.start()
const asked = request(program, 'x.bpf.c')

const first = performance.now()
const { object } = await serving.compile(program)
const missMs = performance.now() - first

async function measure(count: number, pauseMs: number): Promise<void> {
  const connected = Array.from({ length: count }, () => serving.client())
  const timesMs: number[] = []
  const work = async (client: CompileClient, endMs: number): Promise<void> => {
    while (performance.now() < endMs) {
      // Before the first request, too: else all clients would ask at the same moment.
      const pause = pauseMs * 2 * Math.random()
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
      const start = performance.now()
      const { cached, ok } = await client.compile(asked, 60_000)
      if (!cached || !ok) throw new Error('the cache did not answer')
      timesMs.push(performance.now() - start)
    }
  }
  // The handshakes are not measured.
  await Promise.all(connected.map((client) => client.compile(asked, 60_000)))
  const cpu = process.cpuUsage()
  const endMs = performance.now() + seconds * 1_000
  await Promise.all(connected.map((client) => work(client, endMs)))
  const { user, system } = process.cpuUsage(cpu)
  for (const client of connected) client[Symbol.dispose]()
  const sorted = timesMs.toSorted((one, other) => one - other)
  const at = (share: number): string =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1)
  const rate = Math.round(timesMs.length / seconds)
  const cpuMs = ((user + system) / 1_000 / timesMs.length).toFixed(2)
  const pace = pauseMs === 0 ? 'without a pause' : `a pause of ${pauseMs} ms on average`
  console.log(
    `${count} clients, ${pace}: ${rate} hits/s, p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms, ${cpuMs} ms of CPU each`,
  )
}

console.log(
  `Linux ${release()}, ${availableParallelism()} cores; clients and server in one process`,
)
console.log(`a compilation: ${Math.round(missMs)} ms, ${object.length} bytes`)
await measure(1, 0)
await measure(clients, 1_000)
await measure(clients, 0)
