import type { Test } from 'tap'
import { type AgentProcess, allRedirected, tally } from './agent-process.ts'
import type { Mesh } from './mesh.ts'
import { until } from './retry.ts'
import { Traffic } from './traffic.ts'

/** Live connections between the first two pods. Half of them block. Every byte is checked. */
export class Load implements AsyncDisposable {
  readonly connections: number
  readonly #server: Traffic
  readonly #client: Traffic

  private constructor(connections: number, server: Traffic, client: Traffic) {
    this.connections = connections
    this.#server = server
    this.#client = client
  }

  static async start(mesh: Mesh, connections = 8): Promise<Load> {
    const options = { address: mesh.pod(1).address, mode: 'mixed' }
    const server = await Traffic.start(mesh.pod(1), 'server', options)
    const client = await Traffic.start(mesh.pod(0), 'client', {
      ...options,
      connections,
      answer: '1:65536',
      pauseUs: 10_000,
    })
    return new Load(connections, server, client)
  }

  /** Waits until each connection has done ten more steps. */
  async goesOn(when: string): Promise<void> {
    const { slowest } = await this.#client.progress()
    await until(
      `${when}: it goes on`,
      async () => (await this.#client.progress()).slowest > slowest + 10,
      { pauseMs: 10, attempts: 3000 },
    )
  }

  /** Waits until every direction of every connection takes the fast path. */
  async accelerated(agent: AgentProcess): Promise<void> {
    let flows = await agent.flows()
    await until(
      'all are accelerated',
      async () => {
        flows = await agent.flows()
        return allRedirected(flows, this.connections)
      },
      { pauseMs: 20, attempts: 1500 },
    ).catch((cause: unknown) => {
      throw new Error(tally(flows), { cause })
    })
  }

  /** Ends the load and checks that every byte of every connection has arrived. */
  async end(t: Test): Promise<void> {
    const all = { finished: this.connections, failed: 0, error: '' }
    t.match(await this.#client.end(), all)
    t.match(await this.#server.end(), all)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]()
    await this.#server[Symbol.asyncDispose]()
  }
}
