/**
 * The data path for a kernel that the self-test refused. Nothing is attached, and all traffic takes the normal stack.
 */
import type { Datapath, Measurement, Quarantined, Survey, TrialCounts } from './datapath.ts'

export class RefusedDatapath implements Datapath {
  readonly policy = 'refused'
  readonly refusedBecause: string
  readonly selfTest: Readonly<Record<string, boolean>>
  readonly redirecting = false
  readonly #release: () => void

  /** `release` frees the resources that the self-test took. */
  constructor(
    refusedBecause: string,
    selfTest: Readonly<Record<string, boolean>>,
    release: () => void,
  ) {
    this.refusedBecause = refusedBecause
    this.selfTest = selfTest
    this.#release = release
  }

  enrolled(): ReadonlySet<bigint> {
    return new Set()
  }

  enrol(): void {}

  withdraw(): void {}

  async drain(): Promise<void> {}

  resume(): void {}

  async survey(): Promise<Survey> {
    const none = { redirectedBytes: 0n, redirectedMessages: 0n, tcpBytes: 0n, tcpMessages: 0n }
    return {
      counters: { ...none, reasons: {} },
      connections: { now: 0, watched: 0, joined: 0, engaged: 0, plain: 0, mixed: 0 },
      unreadBytes: 0n,
    }
  }

  async *flows(): AsyncGenerator<never> {}

  async unwatched(): Promise<never[]> {
    return []
  }

  quarantined(): Quarantined[] {
    return []
  }

  forgive(): number {
    return 0
  }

  measure(): void {}

  label(): void {}

  measured(): Measurement[] {
    return []
  }

  trial(): TrialCounts[] {
    return []
  }

  untold(): bigint {
    return 0n
  }

  listen(): Disposable {
    return { [Symbol.dispose]: () => undefined }
  }

  close(): void {
    this.#release()
  }
}
