/** The data path of a kernel that the self-test refused: nothing is attached, all traffic takes the normal stack. */
import type { ConnectionGauge, Counters, Datapath, Flow, Quarantined } from './datapath.ts'

export class RefusedDatapath implements Datapath {
  readonly policy = 'refused'
  readonly refusedBecause: string
  readonly redirecting = false
  readonly #release: () => void

  /** `release` gives back what was taken to find out. */
  constructor(refusedBecause: string, release: () => void) {
    this.refusedBecause = refusedBecause
    this.#release = release
  }

  enrolled(): ReadonlySet<bigint> {
    return new Set()
  }

  enrol(): void {}

  withdraw(): void {}

  async drain(): Promise<void> {}

  resume(): void {}

  counters(): Counters {
    const none = { redirectedBytes: 0n, redirectedMessages: 0n, tcpBytes: 0n, tcpMessages: 0n }
    return { ...none, reasons: {} }
  }

  connections(): ConnectionGauge {
    return { now: 0, watched: 0, joined: 0, engaged: 0, plain: 0, mixed: 0 }
  }

  flows(): Flow[] {
    return []
  }

  quarantined(): Quarantined[] {
    return []
  }

  forgive(): number {
    return 0
  }

  close(): void {
    this.#release()
  }
}
