import type { FlowView } from '../../api/views.ts'

/** Bytes per second. */
export interface Rate {
  readonly redirected: number
  readonly tcp: number
}

export interface FlowRate extends Rate {
  readonly flow: FlowView
}

export interface PodRate extends Rate {
  readonly pod: string
  readonly connections: number
  /** Connections with at least one direction redirected. */
  readonly engaged: number
  /** The most frequent reason of the directions that are not redirected. */
  readonly reason?: string
}

/** Bytes in both directions. */
interface Carried {
  readonly redirected: number
  readonly tcp: number
}

/** Computes rates from the bytes that connections had carried in successive samples. */
export class FlowMeter {
  #last = new Map<string, Carried>()
  #lastMs: number | undefined

  /**
   * Returns the bytes per second since the previous sample. For a new connection, all its bytes count. In the first
   * sample, the rate is the average since the connection began. `nowMs` is a monotonic clock.
   */
  look(flows: readonly FlowView[], nowMs: number): FlowRate[] {
    const sinceMs = this.#lastMs === undefined ? undefined : nowMs - this.#lastMs
    const carried = new Map<string, Carried>()
    const rates = flows.map((flow) => {
      const now = carriedBy(flow)
      carried.set(flow.identity, now)
      const before = this.#last.get(flow.identity)
      // The bytes of an identity decrease if another connection has taken that identity.
      const known = before && before.redirected <= now.redirected && before.tcp <= now.tcp
      const { redirected, tcp } = known ? before : nothing
      const seconds = Math.max(sinceMs ?? Number(flow.ageMs), 1) / 1000
      return {
        flow,
        redirected: (now.redirected - redirected) / seconds,
        tcp: (now.tcp - tcp) / seconds,
      }
    })
    this.#last = carried
    this.#lastMs = nowMs
    return rates
  }
}

const nothing: Carried = { redirected: 0, tcp: 0 }

function carriedBy({ directions }: FlowView): Carried {
  let redirected = 0
  let tcp = 0
  for (const { redirectedBytes, tcpBytes } of directions) {
    redirected += Number(redirectedBytes)
    tcp += Number(tcpBytes)
  }
  return { redirected, tcp }
}

/** Adds up connections by pod. A connection between two pods counts for both, a connection inside a pod once. */
export function podRates(rates: readonly FlowRate[]): PodRate[] {
  const sums = new Map<string, Mutable<PodRate> & { reasons: Map<string, number> }>()
  for (const { flow, redirected, tcp } of rates) {
    const pods = new Set([flow.client, flow.server].flatMap((end) => (end?.pod ? [end.pod] : [])))
    for (const pod of pods) {
      const sum = sums.get(pod) ?? {
        pod,
        connections: 0,
        engaged: 0,
        redirected: 0,
        tcp: 0,
        reasons: new Map(),
      }
      sums.set(pod, sum)
      sum.connections += 1
      if (flow.directions.some(({ path }) => path === 'redirect')) sum.engaged += 1
      sum.redirected += redirected
      sum.tcp += tcp
      for (const { reason } of flow.directions) {
        if (reason !== undefined) sum.reasons.set(reason, (sum.reasons.get(reason) ?? 0) + 1)
      }
    }
  }
  return [...sums.values()].map(({ reasons, ...sum }) => {
    const [commonest] = [...reasons].toSorted(([, one], [, other]) => other - one)
    return commonest === undefined ? sum : { ...sum, reason: commonest[0] }
  })
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }
