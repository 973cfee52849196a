import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { patience, until } from '../../helpers/retry.ts'
import { Traffic, type TrafficReport } from '../../helpers/traffic.ts'
import { footprint, type Footprint } from './footprint.ts'
import { Random } from './random.ts'

/** The allowed growth of the agent over its size at the start. */
const GROWTH_MIB = 48
/** The noise of the node's other programs in TCP's memory. */
const TCP_PAGES = 512
const MAX_CLIENTS = 6
const modes = ['blocking', 'level', 'edge'] as const

export interface SoakReport {
  readonly seed: number
  readonly actions: Readonly<Record<string, number>>
  readonly connections: number
  /** In both directions, each byte compared with what was to come. */
  readonly checkedBytes: number
  readonly redirectedBytes: bigint
  readonly before: Footprint
  readonly after: Footprint
  readonly leaks: readonly string[]
}

/**
 * Random traffic between two pods while they are disabled and enabled, the data path is drained and resumed, and agents
 * are killed and replaced. Rejects on the first byte that is wrong, connection that fails or connection that stalls.
 */
export async function soak(
  mesh: Mesh,
  seed: number,
  seconds: number,
  say: (text: string) => void,
): Promise<SoakReport> {
  const run = new Soak(mesh, seed, say)
  await using _ = run
  return await run.run(seconds)
}

class Soak implements AsyncDisposable {
  readonly #mesh: Mesh
  readonly #seed: number
  readonly #random: Random
  readonly #say: (text: string) => void
  readonly #servers: Traffic[] = []
  readonly #clients: Traffic[] = []
  readonly #counts = new Map<string, number>()
  readonly #enabled = [true, true]
  #agent: AgentProcess | undefined
  /** The policy that the first agent's self-test chose. */
  #policy: string | undefined
  #checkedBytes = 0
  #connections = 0
  #redirectedBytes = 0n

  constructor(mesh: Mesh, seed: number, say: (text: string) => void) {
    this.#mesh = mesh
    this.#seed = seed
    this.#random = new Random(seed)
    this.#say = say
  }

  /** The storm has everything. In the calm after it the same agent lives on, so that its growth shows. */
  async run(seconds: number): Promise<SoakReport> {
    await this.#start()
    for (const [index, mode] of modes.entries()) {
      const options = { address: this.#mesh.pod(1).address, mode, port: 7000 + index }
      this.#servers.push(await Traffic.start(this.#mesh.pod(1), 'server', options))
    }
    const kernel = await this.#rest()
    await this.#actFor(seconds * 0.6, { ...this.#everything(), ...this.#restarts() })
    const agent = await this.#rest()
    await this.#actFor(seconds * 0.4, this.#everything())
    const after = await this.#rest()
    for (const server of this.#servers.splice(0)) check(await server.end())
    const before = { ...agent, entries: kernel.entries, tcpPages: kernel.tcpPages }
    return {
      seed: this.#seed,
      actions: Object.fromEntries(this.#counts),
      connections: this.#connections,
      checkedBytes: this.#checkedBytes,
      redirectedBytes: this.#redirectedBytes,
      before,
      after,
      leaks: leaks(before, after),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const traffic of [...this.#clients, ...this.#servers]) await traffic[Symbol.asyncDispose]()
  }

  async #actFor(seconds: number, actions: Record<string, () => Promise<void>>): Promise<void> {
    const end = performance.now() + seconds * 1000
    while (performance.now() < end) {
      const name = this.#random.pick(Object.keys(actions))
      this.#say(name)
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
      await actions[name]?.()
      await pause(this.#random.magnitude(1, 500))
    }
  }

  #everything(): Record<string, () => Promise<void>> {
    return {
      open: () => this.#open(),
      'open more': () => this.#open(),
      close: () => this.#close(),
      toggle: async () => {
        const index = this.#random.integer(0, 1)
        this.#enable(index, !this.#enabled[index])
      },
      enable: async () => this.#enableAll(),
      drain: async () => {
        await this.#running.client.call('Drain', { timeoutMs: 30_000 * patience })
        if (this.#random.chance(0.5)) await pause(this.#random.magnitude(1, 1000))
        await this.#running.client.call('Resume', {})
      },
      stream: async () => {
        if (this.#clients.length > 0) this.#random.pick(this.#clients).stream()
      },
      wait: () => pause(this.#random.magnitude(100, 2000)),
    }
  }

  #restarts(): Record<string, () => Promise<void>> {
    return {
      kill: async () => {
        await this.#running.kill('SIGKILL')
        // Sometimes long enough that the data path takes it for dead.
        await pause(this.#random.chance(0.2) ? 6000 : this.#random.magnitude(1, 1000))
        await this.#start()
      },
      replace: async () => {
        await this.#running.kill('SIGTERM')
        await this.#start()
      },
    }
  }

  get #running(): AgentProcess {
    if (!this.#agent) throw new Error('no agent runs')
    return this.#agent
  }

  async #start(): Promise<void> {
    const capBytes = this.#random.magnitude(4096, 2 ** 20)
    // On an emulated processor a self-test takes minutes.
    const policy = this.#policy === undefined ? [] : ['--policy', this.#policy]
    this.#agent = await this.#mesh.startAgent('--cap', String(capBytes), ...policy)
    this.#policy ??= (await this.#agent.status()).policy
  }

  #enable(index: number, enabled: boolean): void {
    this.#enabled[index] = enabled
    this.#mesh.enable(this.#mesh.pod(index), enabled)
  }

  #enableAll(): void {
    for (const index of this.#enabled.keys()) this.#enable(index, true)
  }

  async #open(): Promise<void> {
    if (this.#clients.length >= MAX_CLIENTS) return this.#close()
    const random = this.#random
    const connections = random.integer(1, 8)
    const upTo = (most: number): string => `1:${random.magnitude(1, most)}`
    this.#connections += connections
    this.#clients.push(
      await Traffic.start(this.#mesh.pod(0), 'client', {
        address: this.#mesh.pod(1).address,
        mode: random.pick(modes),
        port: 7000 + random.integer(0, modes.length - 1),
        connections,
        seed: random.integer(1, 2 ** 31),
        request: upTo(2 ** 18),
        answer: upTo(2 ** 18),
        write: upTo(2 ** 17),
        buffer: random.magnitude(64, 2 ** 17),
        duplex: random.pick([0, 20, 100]),
        pauseUs: random.pick([0, 0, 100, 5000]),
      }),
    )
  }

  /** Each connection ends after its step; one that is stalled never does. */
  async #close(): Promise<void> {
    if (this.#clients.length === 0) return
    const [client] = this.#clients.splice(this.#random.integer(0, this.#clients.length - 1), 1)
    if (!client) return
    const report = await client.end()
    check(report)
    this.#checkedBytes += report.sent + report.received
    await client[Symbol.asyncDispose]()
  }

  /** Ends the clients, and waits until their leftovers are gone. */
  async #rest(): Promise<Footprint> {
    while (this.#clients.length > 0) await this.#close()
    this.#enableAll()
    for (const server of this.#servers) {
      await until('the servers are idle', async () => (await server.progress()).open === 0)
    }
    await until('no connection is left', async () => {
      const { connections, totals } = await this.#running.status()
      this.#redirectedBytes = totals.redirectedBytes
      return connections.now === 0
    })
    await until('the splice watch is taken off', () => !pins(this.#mesh).includes('splice_call'))
    // A claim that no peer shares is given up after four seconds.
    let last = await footprint(this.#mesh, this.#running)
    await until('claims are given up', async () => {
      last = await footprint(this.#mesh, this.#running)
      return (last.entries['meshaccel_ident'] ?? 0) === 0
    }).catch(() => undefined)
    return last
  }
}

/** The names of its pins. Where there are kprobes the splice watch stays, as another pin than `splice_call`. */
function pins({ pinDir }: Mesh): string[] {
  return readdirSync(pinDir, { recursive: true, encoding: 'utf8' }).map((path) => basename(path))
}

function check({ failed, error }: TrafficReport): void {
  if (failed > 0 || error !== '') throw new Error(`${failed} connections failed: ${error}`)
}

/**
 * Leaves out the files for a walking process: an agent starts one with its first walk, and holds two of its sockets.
 */
function ownFiles({ agentFiles, walkers }: Footprint): number {
  return agentFiles.length - 2 * walkers
}

function leaks(before: Footprint, after: Footprint): string[] {
  const found: string[] = []
  const compare = (what: string, was: number, is: number, tolerance = 0): void => {
    if (is > was + tolerance) found.push(`${what}: ${was} before, ${is} after`)
  }
  for (const [name, is] of Object.entries(after.entries)) {
    compare(name, before.entries[name] ?? 0, is)
  }
  compare('pages of TCP', before.tcpPages, after.tcpPages, TCP_PAGES)
  if (after.walkers > 1) found.push(`${after.walkers} processes that walk`)
  if (ownFiles(after) > ownFiles(before)) {
    const names = [before, after].map(({ agentFiles }) => agentFiles.toSorted().join(' '))
    found.push(`files of the agent: ${names.join(' before, ')} after`)
  }
  compare('MiB of the agent', before.agentRssMiB, after.agentRssMiB, GROWTH_MIB)
  return found
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
