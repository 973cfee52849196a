import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ControlClient } from '../../src/api/client.ts'
import type { FlowView, StatusView } from '../../src/api/views.ts'
import { sumCounters } from '../../src/datapath/maps/counters.ts'
import { counters, type CountersRecord } from '../../src/datapath/maps/generated.ts'
import { messageOf } from '../../src/lib/errno.ts'
import { BpfMap, u32 } from 'libbpf'
import { packageRoot } from '../../src/lib/package.ts'
import { spawn, type ChildProcess } from 'node:child_process'
import { ready } from './compile.ts'
import type { Mesh } from './mesh.ts'
import { patience, until } from './retry.ts'

export const cli: string =
  ready === undefined ? join(packageRoot, 'dist/src/cli.js') : join(ready, 'cli.mjs')

type Place = Pick<Mesh, 'cli' | 'cgroup' | 'pinDir' | 'socket' | 'podsOrigin'> &
  Partial<Pick<Mesh, 'through'>>

export interface AgentProcessOptions {
  readonly environment?: NodeJS.ProcessEnv
  /** Options for Node, such as --cpu-prof. */
  readonly nodeOptions?: readonly string[]
}

/** The agent as users run it, on the real kernel. It is attached only to a mesh's cgroup. */
export class AgentProcess implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #place: Place
  readonly #exited: Promise<void>
  #client: ControlClient | undefined
  /** The agent's log so far. */
  log = ''

  constructor(
    place: Place,
    flags: readonly string[],
    { environment = {}, nodeOptions = [] }: AgentProcessOptions = {},
  ) {
    this.#place = place
    const { podsOrigin, cgroup, pinDir, socket, through = [] } = place
    const where = ['--cgroup', cgroup, '--pin', pinDir, '--socket', socket]
    const [command, ...prefix] = [...through, process.execPath]
    const args = [
      ...prefix,
      ...nodeOptions,
      place.cli,
      'agent',
      '--pods',
      podsOrigin,
      ...where,
      ...flags,
    ]
    this.#process = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...environment },
    })
    this.#process.stderr?.on('data', (data: Buffer) => (this.log += data.toString()))
    this.#exited = new Promise((resolve) => this.#process.on('close', () => resolve()))
  }

  /** Removes everything that the place's agents left in the kernel. */
  static cleanup({ cli: program, cgroup, pinDir, socket }: Place): void {
    const where = ['--cgroup', cgroup, '--pin', pinDir, '--socket', socket]
    const { status, stderr } = spawnSync(process.execPath, [program, 'cleanup', ...where], {
      encoding: 'utf8',
      timeout: 60_000 * patience,
    })
    if (status !== 0) throw new Error(`cleanup failed: ${stderr}`)
  }

  async runs(): Promise<void> {
    try {
      await until('the agent runs', () => {
        if (this.#process.exitCode !== null) throw new Error('the agent has ended')
        return this.log.includes('agent runs')
      })
    } catch (cause) {
      throw new Error(`${messageOf(cause)}: ${this.log}`, { cause })
    }
    this.#client = await ControlClient.connect(this.#place.socket)
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('the agent did not start')
    return this.#process.pid
  }

  get client(): ControlClient {
    if (!this.#client) throw new Error('the agent does not run')
    return this.#client
  }

  status(): Promise<StatusView> {
    return this.client.call('Status', {})
  }

  async flows(): Promise<FlowView[]> {
    const flows: FlowView[] = []
    for await (const chunk of this.client.flows()) flows.push(...chunk)
    return flows
  }

  /** The kernel's own totals. The status has only a part of them. */
  counters(): CountersRecord {
    const [version] = readdirSync(this.#place.pinDir)
    using map = BpfMap.fromPin(join(this.#place.pinDir, version ?? '', 'counters'), u32, counters)
    const perCpu = map.lookupPerCpu(0) ?? []
    if (perCpu.length === 0) throw new Error('the counters are an array of one')
    return sumCounters(perCpu)
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#client?.[Symbol.dispose]()
    this.#client = undefined
    this.#process.kill(signal)
    await this.#exited
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill('SIGKILL')
  }
}

/** Whether every direction of all connections takes the fast path. */
export function allRedirected(flows: readonly FlowView[], connections: number): boolean {
  return (
    flows.length === connections &&
    flows.every(({ directions }) => directions.every(({ path }) => path === 'redirect'))
  )
}

/** A table for messages: the number of connections by state and paths. */
export function tally(flows: readonly FlowView[]): string {
  const counts = new Map<string, number>()
  for (const { state, directions } of flows) {
    const key = [state, ...directions.map(({ path, reason }) => reason ?? path)].join(' ')
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return [...counts].map(([key, count]) => `${count} x ${key}`).join(', ')
}

/** Whether the place has pins. */
export function hasPins({ pinDir }: Pick<Place, 'pinDir'>): boolean {
  return existsSync(pinDir)
}
