import { ControlClient } from '../../api/client.ts'
import type { ControlMethods } from '../../api/views.ts'

/** A connection that survives restarts of the agent: a request after a restart gets an answer. */
export class AgentLink implements Disposable {
  readonly #socketPath: string
  #client: Promise<ControlClient> | undefined

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** Throws like ControlClient. */
  async call<Name extends keyof ControlMethods>(
    name: Name,
    request: ControlMethods[Name]['request'],
  ): Promise<ControlMethods[Name]['response']> {
    const connecting = (this.#client ??= ControlClient.connect(this.#socketPath))
    try {
      const client = await connecting
      return await client.call(name, request)
    } catch (error) {
      // Drops the connection, because gRPC would retry with growing pauses.
      if (this.#client === connecting) this.#drop()
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.#drop()
  }

  #drop(): void {
    void this.#client?.then(
      (client) => client[Symbol.dispose](),
      () => undefined,
    )
    this.#client = undefined
  }
}
