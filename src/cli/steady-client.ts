import { ControlClient } from '../api/client.ts'

/** A client that outlives the agent: it connects when it is asked, and again after a failure. */
export class SteadyClient implements Disposable {
  readonly #socketPath: string
  #client: ControlClient | undefined

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  async ask<Answer>(question: (client: ControlClient) => Promise<Answer>): Promise<Answer> {
    const client = (this.#client ??= await ControlClient.connect(this.#socketPath))
    try {
      return await question(client)
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]()
    this.#client = undefined
  }
}
