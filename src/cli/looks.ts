import type { ControlClient } from '../api/client.ts'
import type { FlowView, StatusView } from '../api/views.ts'
import { FlowMeter, type FlowRate, type Rate } from './rates.ts'
import { SteadyClient } from './steady-client.ts'

/** One look at the agent. */
export interface Sample {
  readonly status: StatusView
  readonly flows: readonly FlowRate[]
  /** Of the whole node: connections that have closed since are in it. */
  readonly node: Rate
  /** Until the next look. */
  readonly everyMs: number
}

/** A look at very many connections takes the agent a while; it is left alone for so many times as long. */
const restFactor = 10

/** Looks at one agent after the other, and what has moved in between. */
export class Looks implements Disposable {
  readonly #client: SteadyClient
  readonly #everyMs: number
  readonly #meter = new FlowMeter()
  #last: { readonly totals: StatusView['totals']; readonly atMs: number } | undefined
  /** Until the next look. */
  pauseMs: number

  constructor(socketPath: string, everyMs: number) {
    this.#client = new SteadyClient(socketPath)
    this.#everyMs = everyMs
    this.pauseMs = everyMs
  }

  async take(): Promise<Sample> {
    const before = performance.now()
    const { status, flows } = await this.#client.ask(ask)
    const nowMs = performance.now()
    this.pauseMs = Math.max(this.#everyMs, Math.round(restFactor * (nowMs - before)))
    const node = this.#rateOfNode(status.totals, nowMs)
    return { status, flows: this.#meter.look(flows, nowMs), node, everyMs: this.pauseMs }
  }

  #rateOfNode(totals: StatusView['totals'], atMs: number): Rate {
    const last = this.#last
    this.#last = { totals, atMs }
    if (last === undefined) return { redirected: 0, tcp: 0 }
    const seconds = (atMs - last.atMs) / 1000
    const rate = (now: bigint, then: bigint): number => Math.max(0, Number(now - then)) / seconds
    return {
      redirected: rate(totals.redirectedBytes, last.totals.redirectedBytes),
      tcp: rate(totals.tcpBytes, last.totals.tcpBytes),
    }
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]()
  }
}

async function ask(client: ControlClient): Promise<{ status: StatusView; flows: FlowView[] }> {
  const status = await client.call('Status', {})
  const flows: FlowView[] = []
  for await (const chunk of client.flows()) flows.push(...chunk)
  return { status, flows }
}
