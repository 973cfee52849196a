import type {
  ConnectionGauge,
  Counters,
  Datapath,
  Flow,
  PodNetns,
  Policy,
  Quarantined,
} from '../../src/datapath/datapath.ts'

/** A data path of plain objects. What tests set is what it tells. */
export class FakeDatapath implements Datapath {
  policy: Policy = 'strict'
  refusedBecause?: string
  redirecting = true
  readonly pods: Map<bigint, PodNetns | undefined> = new Map<bigint, PodNetns | undefined>()
  /** Every call that changes something, in order: `enrol 7`. */
  readonly calls: string[] = []
  /** Netns cookies whose enrolment or withdrawal throws. */
  readonly broken: Set<bigint> = new Set<bigint>()
  gauge: ConnectionGauge = { now: 0, watched: 0, joined: 0, engaged: 0, plain: 0, mixed: 0 }
  flowTable: Flow[] = []
  counted: Counters = {
    redirectedBytes: 0n,
    redirectedMessages: 0n,
    tcpBytes: 0n,
    tcpMessages: 0n,
    reasons: {},
  }
  quarantine: Quarantined[] = []
  drainError: Error | undefined
  closed = 0

  enrolled(): ReadonlySet<bigint> {
    return new Set(this.pods.keys())
  }

  enrol(pod: PodNetns): void {
    this.calls.push(`enrol ${pod.netnsCookie}`)
    if (this.broken.has(pod.netnsCookie)) throw new Error('the map is full')
    this.pods.set(pod.netnsCookie, pod)
  }

  withdraw(netnsCookie: bigint): void {
    this.calls.push(`withdraw ${netnsCookie}`)
    if (this.broken.has(netnsCookie)) throw new Error('the map is busy')
    this.pods.delete(netnsCookie)
  }

  async drain(): Promise<void> {
    this.calls.push('drain')
    if (this.drainError) throw this.drainError
    this.redirecting = false
    this.gauge = { ...this.gauge, joined: 0 }
  }

  resume(): void {
    this.calls.push('resume')
    this.redirecting = true
  }

  counters(): Counters {
    return this.counted
  }

  connections(): ConnectionGauge {
    return this.gauge
  }

  quarantined(): Quarantined[] {
    return this.quarantine
  }

  forgive(which: (program: Quarantined) => boolean): number {
    const before = this.quarantine.length
    this.quarantine = this.quarantine.filter((program) => !which(program))
    return before - this.quarantine.length
  }

  flows(): Flow[] {
    return this.flowTable
  }

  close(): void {
    this.calls.push('close')
    this.closed += 1
  }
}
