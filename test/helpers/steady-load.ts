import assert from 'node:assert/strict'
import type { Test } from 'tap'
import type { Pod } from './mesh.ts'
import { Traffic, type TrafficReport } from './traffic.ts'

/** Steady requests from one pod to another. Each byte is compared. */
export class SteadyLoad implements AsyncDisposable {
  readonly #connections: number
  readonly #calling: Traffic
  readonly #serving: Traffic

  private constructor(connections: number, calling: Traffic, serving: Traffic) {
    this.#connections = connections
    this.#calling = calling
    this.#serving = serving
  }

  /** With a pause in each connection after each request, the readers block. */
  static async start(
    from: Pod,
    to: Pod,
    connections: number,
    pauseUs?: number,
  ): Promise<SteadyLoad> {
    const options = { address: to.address, mode: pauseUs === undefined ? 'mixed' : 'blocking' }
    const serving = await Traffic.start(to, 'server', options)
    const calling = await Traffic.start(from, 'client', {
      ...options,
      connections,
      answer: '1:4096',
      ...(pauseUs === undefined ? {} : { pauseUs }),
    })
    return new SteadyLoad(connections, calling, serving)
  }

  /** Ends it, and checks that no request has failed. */
  async end(t: Test): Promise<void> {
    for (const report of await this.#reports())
      t.match(report, this.#untouched, 'no request failed')
  }

  /** The same outside of a test: throws if a request has failed. */
  async assertWhole(): Promise<void> {
    for (const { finished, failed, error } of await this.#reports()) {
      assert.deepEqual({ finished, failed, error }, this.#untouched)
    }
  }

  get #untouched(): Pick<TrafficReport, 'finished' | 'failed' | 'error'> {
    return { finished: this.#connections, failed: 0, error: '' }
  }

  /** Ends it. Resolves to the reports of both sides: the caller's first. */
  async #reports(): Promise<readonly TrafficReport[]> {
    return [await this.#calling.end(), await this.#serving.end()]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#calling[Symbol.asyncDispose]()
    await this.#serving[Symbol.asyncDispose]()
  }
}
