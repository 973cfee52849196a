import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { MeshaccelError } from '../../src/lib/errors.ts'
import type { AgentParts } from '../../src/agent/start.ts'
import { runCommand, type CliResult } from './cli-run.ts'
import { FakeDatapath } from './fake-datapath.ts'

export interface PodEntry {
  readonly namespace: string
  readonly name: string
  readonly netns: string
  readonly mesh?: string
  readonly enabled?: boolean
}

/** An agent in this process, with its socket and its pods file in a directory of its own and a fake data path. */
export class RunningAgent {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'meshaccel-test-'))
  readonly datapath: FakeDatapath = new FakeDatapath()
  readonly socket: string = join(this.directory, 'run', 'agent.sock')
  readonly podsFile: string = join(this.directory, 'pods.yaml')
  /** The number of cleanups of the kernel. */
  cleanups = 0
  cleanupError: Error | undefined
  stderr = ''
  readonly parts: AgentParts = {
    openDatapath: () => this.datapath,
    drainDatapath: async () => {
      const already = !this.datapath.redirecting
      await this.datapath.drain()
      return already
    },
    cleanupDatapath: async () => {
      if (this.cleanupError) throw this.cleanupError
      this.cleanups += 1
    },
    // The namespace /run/netns/N, or that of process N, has the cookie N.
    netns: {
      resolve: (ref) => {
        const path = 'path' in ref ? ref.path : `/run/netns/${ref.pid}`
        const cookie = /^\/run\/netns\/(\d+)$/.exec(path)?.[1]
        if (cookie === undefined) {
          throw new MeshaccelError('it is gone', { code: 'NETNS_GONE', operation: 'open netns' })
        }
        return { netnsCookie: BigInt(cookie), netnsPath: path, ips: ['10.0.0.1'] }
      },
      identify: (ref) => ('path' in ref ? ref.path : String(ref.pid)),
    },
    countSockets: () => ({ established: 1, opened: 1 }),
  }
  readonly #abort = new AbortController()
  readonly #waiting = new Set<() => void>()
  result: Promise<CliResult> | undefined

  constructor(pods: readonly PodEntry[] = []) {
    this.write(pods)
  }

  write(pods: readonly PodEntry[]): void {
    this.writeText(stringify({ pods }))
  }

  writeText(text: string): void {
    writeFileSync(this.podsFile, text)
  }

  /** Starts the agent and waits until it runs or has failed. */
  async start(...flags: string[]): Promise<void> {
    const argv = ['agent', '--pods', `file:${this.podsFile}`, '--socket', this.socket, ...flags]
    this.result = runCommand(argv, {
      agentParts: this.parts,
      signal: this.#abort.signal,
      onStderr: (text) => {
        this.stderr += text
        for (const look of this.#waiting) look()
      },
    })
    await Promise.race([this.said('agent runs'), this.result])
  }

  /** Resolves once the agent has logged the text after the first `from` characters. */
  said(text: string, from = 0): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!this.stderr.slice(from).includes(text)) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  run(...argv: string[]): Promise<CliResult> {
    return runCommand([...argv, '--socket', this.socket], { agentParts: this.parts })
  }

  /** Acts like SIGTERM. */
  terminate(): void {
    this.#abort.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.terminate()
    await this.result
    rmSync(this.directory, { recursive: true, force: true })
  }
}
