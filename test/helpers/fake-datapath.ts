import type {
  ConnectionGauge,
  Counters,
  Datapath,
  DatapathEvent,
  Flow,
  Measurement,
  MeasureSettings,
  PodNetns,
  Policy,
  Quarantined,
  Survey,
  TrialCounts,
  UnwatchedSocket,
} from '../../src/datapath/datapath.ts'

/** A data path of plain objects. It returns what tests set. */
export class FakeDatapath implements Datapath {
  policy: Policy = 'strict'
  refusedBecause?: string
  selfTest: Readonly<Record<string, boolean>> = { 'late-join': true, splice: false }
  redirecting = true
  readonly pods: Map<bigint, PodNetns | undefined> = new Map<bigint, PodNetns | undefined>()
  /** All calls that change something, in order: `enrol 7`. */
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
  unreadBytes = 0n
  /** By netns cookie; undefined stands for a pod that holds a lock. */
  readonly older: Map<bigint, UnwatchedSocket[] | undefined> = new Map<
    bigint,
    UnwatchedSocket[] | undefined
  >()
  quarantine: Quarantined[] = []
  drainError: Error | undefined
  settings: MeasureSettings | undefined
  measureError: Error | undefined
  readonly labels: Map<bigint, string> = new Map<bigint, string>()
  measurements: Measurement[] = []
  /** Returns the result of `trial()`. */
  trialCounts: () => TrialCounts[] = () => []
  dropped = 0n
  readonly #listeners = new Set<(event: DatapathEvent) => void>()
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

  async survey(): Promise<Survey> {
    return {
      counters: this.counted,
      connections: this.gauge,
      unreadBytes: this.unreadBytes,
    }
  }

  quarantined(): Quarantined[] {
    return this.quarantine
  }

  forgive(which: (program: Quarantined) => boolean): number {
    const before = this.quarantine.length
    this.quarantine = this.quarantine.filter((program) => !which(program))
    return before - this.quarantine.length
  }

  async *flows(): AsyncGenerator<readonly Flow[]> {
    yield this.flowTable
  }

  async unwatched(netnsCookie: bigint): Promise<UnwatchedSocket[] | undefined> {
    return this.older.has(netnsCookie) ? this.older.get(netnsCookie) : []
  }

  measure(settings: MeasureSettings): void {
    if (this.measureError) throw this.measureError
    this.settings = settings
  }

  label(netnsCookie: bigint, label: string): void {
    this.labels.set(netnsCookie, label)
  }

  measured(): Measurement[] {
    return this.measurements
  }

  trial(): TrialCounts[] {
    return this.trialCounts()
  }

  untold(): bigint {
    return this.dropped
  }

  listen(listener: (event: DatapathEvent) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Sends an event to all listeners. */
  tell(event: DatapathEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  close(): void {
    this.calls.push('close')
    this.closed += 1
  }
}
