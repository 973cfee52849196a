import type { ControlClient } from '../../api/client.ts'
import type { FlowView, StatusView } from '../../api/views.ts'
import { FlowMeter, type FlowRate, type Rate } from './rates.ts'
import { SteadyClient } from '../steady-client.ts'

/** One look at the agent. */
export interface Sample {
  readonly status: StatusView
  readonly flows: readonly FlowRate[]
  /** Of the whole node: connections that have closed since are in it. */
  readonly node: Rate
  /** Since the last look, 0 at the first. */
  readonly sinceMs: number
  /** Until the next look. */
  readonly everyMs: number
}

/** What a connection costs the agent is some 16 us a look; a tenth of a core is enough. */
const restMsPerFlow = 0.16

type Totals = StatusView['totals']

/** Looks at one agent after the other, and what has moved in between. */
export class Looks implements Disposable {
  readonly #client: SteadyClient
  readonly #everyMs: number
  readonly #meter = new FlowMeter()
  #last: { readonly totals: Totals; readonly atMs: number } | undefined
  /** Until the next look. */
  pauseMs: number

  constructor(socketPath: string, everyMs: number) {
    this.#client = new SteadyClient(socketPath)
    this.#everyMs = everyMs
    this.pauseMs = everyMs
  }

  async take(): Promise<Sample> {
    const { status, flows } = await this.#client.ask(ask)
    const nowMs = performance.now()
    this.pauseMs = Math.max(this.#everyMs, restMsPerFlow * flows.length)
    const last = this.#last
    this.#last = { totals: status.totals, atMs: nowMs }
    const sinceMs = last === undefined ? 0 : nowMs - last.atMs
    return {
      status,
      flows: this.#meter.look(flows, nowMs),
      node: rateOfNode(status.totals, last?.totals, sinceMs),
      sinceMs,
      everyMs: this.pauseMs,
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

function rateOfNode(now: Totals, last: Totals | undefined, sinceMs: number): Rate {
  if (last === undefined) return { redirected: 0, tcp: 0 }
  const perSecond = (one: bigint, other: bigint): number =>
    (1000 * Math.max(0, Number(one - other))) / sinceMs
  return {
    redirected: perSecond(now.redirectedBytes, last.redirectedBytes),
    tcp: perSecond(now.tcpBytes, last.tcpBytes),
  }
}
