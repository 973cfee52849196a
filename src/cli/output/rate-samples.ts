import type { ControlClient } from '../../api/client.ts'
import type { FlowView, StatusView } from '../../api/views.ts'
import { FlowMeter, type FlowRate, type Rate } from './rates.ts'
import { SteadyClient } from '../steady-client.ts'

/** One sample of the agent's state. */
export interface Sample {
  readonly status: StatusView
  readonly flows: readonly FlowRate[]
  /** The rate of the whole node, including connections that have closed since. */
  readonly node: Rate
  /** The time since the previous sample; 0 for the first. */
  readonly sinceMs: number
  /** Until the next look. */
  readonly everyMs: number
}

/** A sample costs the agent some 16 us per connection. This pause limits it to a tenth of a core. */
const restMsPerFlow = 0.16

type Totals = StatusView['totals']

/** Samples the agent again and again, and computes rates. After a restart it continues with the new agent. */
export class RateSamples implements Disposable {
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
