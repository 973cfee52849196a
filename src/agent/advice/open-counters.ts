import type { TcpSockets } from '../../datapath/netns/netns.ts'

/** Reads the counters of a network namespace. Throws if it is gone. */
export type CountSockets = (netnsPath: string) => TcpSockets

interface CountedPod {
  readonly pod: string
  readonly namespace: string
  readonly netnsPath: string
}

/** Sockets that were opened since the beginning. */
export class OpenCounters {
  readonly #pods: readonly CountedPod[]
  readonly #count: CountSockets
  readonly #before: ReadonlyMap<string, number>
  /** The last counts. A pod that has ended keeps its last one. */
  readonly #last = new Map<string, number>()

  constructor(pods: readonly CountedPod[], count: CountSockets) {
    this.#pods = pods
    this.#count = count
    this.#look()
    this.#before = new Map(this.#last)
  }

  /** By namespace. */
  opened(): Map<string, bigint> {
    this.#look()
    const sums = new Map<string, bigint>()
    for (const { pod, namespace } of this.#pods) {
      const more = (this.#last.get(pod) ?? 0) - (this.#before.get(pod) ?? 0)
      sums.set(namespace, (sums.get(namespace) ?? 0n) + BigInt(Math.max(0, more)))
    }
    return sums
  }

  #look(): void {
    for (const { pod, netnsPath } of this.#pods) {
      try {
        this.#last.set(pod, this.#count(netnsPath).opened)
      } catch {
        // The pod has ended.
      }
    }
  }
}
