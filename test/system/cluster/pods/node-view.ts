/**
 * A test's view of its node, from that node's own pid and network namespaces.
 * `samples PORT` prints what the agent counts, twenty times a second; `footprint SECONDS` what the agent costs;
 * `signal NAME` sends the agent a signal.
 */
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { processIds, readProcessStat } from '../../../../src/lib/proc.ts'
import type { Footprint, Sample } from './reports.ts'

const [command = '', argument = ''] = process.argv.slice(2)
const commands: Readonly<Record<string, () => unknown>> = {
  samples: async () => {
    for (;;) {
      console.log(JSON.stringify(await sample(Number(argument))))
      await pause(50)
    }
  },
  footprint: async () => {
    console.log(JSON.stringify(await footprint(agentPid(), Number(argument))))
  },
  signal: () => process.kill(agentPid(), argument),
}
const chosen = commands[command]
if (!chosen) throw new Error(`there is ${Object.keys(commands).join(', ')}`)
await chosen()

function sample(port: number): Promise<Sample> {
  return new Promise((resolve) => {
    const none = (): void => resolve({ at: Date.now(), redirectedBytes: undefined })
    get({ host: '127.0.0.1', port, path: '/metrics', timeout: 1000, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('error', none)
      response.on('end', () => {
        const value = /^meshaccel_redirected_bytes_total (\S+)$/m.exec(text)?.[1]
        resolve({
          at: Date.now(),
          redirectedBytes: value === undefined ? undefined : Number(value),
        })
      })
    })
      .on('timeout', none)
      .on('error', none)
  })
}

function agentPid(): number {
  for (const pid of processIds()) {
    // Node's options come between it and the program.
    if (read(`/proc/${pid}/cmdline`).includes('/meshaccel\0agent\0')) return pid
  }
  throw new Error('no agent runs')
}

/** Ticks are a hundredth of a second. */
async function footprint(pid: number, seconds: number): Promise<Footprint> {
  const ticks = (): number => readProcessStat(pid)?.cpuTicks ?? NaN
  const [before, start] = [ticks(), performance.now()]
  await pause(seconds * 1000)
  const cpuPercent = (ticks() - before) / ((performance.now() - start) / 1000)
  const kiB = Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1])
  return { rssMiB: Math.round(kiB / 1024), cpuPercent: Math.round(cpuPercent * 100) / 100 }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process has just ended.
    return ''
  }
}
