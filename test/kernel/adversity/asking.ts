/** Requests and answers, by programs/asker.c. */
import type { AgentProcess } from '../../helpers/agent-process.ts'
import { allRedirected, tally } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import type { Pod } from '../../helpers/mesh.ts'
import { until } from '../../helpers/retry.ts'
import { ask } from './ask.ts'
import { hidesRedirected } from './guest-policy.ts'

/** Starts a program of programs/asker.c that reads without FIONREAD. */
export const plainly: readonly string[] = ['env', 'ASKER_PLAIN=1']

/** Where redirected bytes are hidden, a program that asks FIONREAD would stay on TCP. */
export const askerThrough = (): readonly string[] => (hidesRedirected() ? plainly : [])

export interface Answered {
  readonly event: string
  readonly pid: number
  /** The duration of the slowest answer, and the number of answers that took longer than 300 ms. */
  readonly worstUs: number
  readonly slow: number
}

export interface AskingOptions {
  readonly connections?: number
  readonly port?: number
  /** Whether the programs ask FIONREAD even where that keeps them on TCP. */
  readonly asks?: boolean
  /** The command that starts the server. */
  readonly through?: readonly string[]
  /** The command that starts the client. */
  readonly clientThrough?: readonly string[]
}

/** A client and a server that check every byte. They end at the first byte that is wrong or a minute late. */
export class Asking implements AsyncDisposable {
  readonly connections: number
  readonly client: Child<Answered>
  readonly server: Child<Answered>
  readonly serverPid: number

  private constructor(
    connections: number,
    client: Child<Answered>,
    server: Child<Answered>,
    serverPid: number,
  ) {
    this.connections = connections
    this.client = client
    this.server = server
    this.serverPid = serverPid
  }

  static async start(
    from: Pod,
    to: Pod,
    {
      connections = 8,
      port = 7300,
      asks = false,
      through = [],
      clientThrough = [],
    }: AskingOptions = {},
  ): Promise<Asking> {
    const before = asks ? [] : askerThrough()
    const server = to.run<Answered>('asker', ['server', String(port)], [...before, ...through])
    const { pid } = await server.take('ready')
    const client = from.run<Answered>(
      'asker',
      ['client', to.address, String(port), String(connections)],
      [...before, ...clientThrough],
    )
    return new Asking(connections, client, server, pid)
  }

  /** Sends requests on each connection, with this many at once. */
  ask(times: number, atOnce = 1): Promise<Answered> {
    return ask(this.client, `ask ${times} ${atOnce}`)
  }

  async clientPid(): Promise<number> {
    return (await ask(this.client, 'pid')).pid
  }

  /** Closes the connections and opens the same number. */
  async renew(): Promise<void> {
    await ask(this.client, 'close')
  }

  /** Sends requests until every direction of its connections is redirected. */
  async joins(agent: AgentProcess): Promise<void> {
    let flows = await agent.flows()
    await until(
      'all join',
      async () => {
        await this.ask(10)
        flows = await agent.flows()
        return allRedirected(flows, this.connections)
      },
      { pauseMs: 50, attempts: 1200 },
    ).catch((cause: unknown) => {
      throw new Error(tally(flows), { cause })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
    await this.server[Symbol.asyncDispose]()
  }
}
