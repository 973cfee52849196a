import { ControlClient } from '../api/client.ts'
import type { ControlMethods } from '../api/views.ts'

/** A connection that outlives the agent: it connects when it is asked, and again after a failure. */
export class SteadyClient implements Disposable {
  readonly #socketPath: string
  #client: Promise<ControlClient> | undefined

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  /** Several may ask at a time. Throws as ControlClient does. */
  async ask<Answer>(question: (client: ControlClient) => Promise<Answer>): Promise<Answer> {
    const connecting = (this.#client ??= ControlClient.connect(this.#socketPath))
    try {
      return await question(await connecting)
    } catch (error) {
      // gRPC would wait longer and longer before it tries the socket again.
      if (this.#client === connecting) this[Symbol.dispose]()
      throw error
    }
  }

  /** One call. */
  call<Name extends keyof ControlMethods>(
    name: Name,
    request: ControlMethods[Name]['request'],
  ): Promise<ControlMethods[Name]['response']> {
    return this.ask((client) => client.call(name, request))
  }

  [Symbol.dispose](): void {
    void this.#client?.then(
      (client) => client[Symbol.dispose](),
      () => undefined,
    )
    this.#client = undefined
  }
}
