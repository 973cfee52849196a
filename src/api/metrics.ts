import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { type EventKind, eventKinds, type Measurement, type Totals } from '../datapath/datapath.ts'
import type { Page } from './http.ts'
import { KernelHistogram } from './kernel-histogram.ts'
import type { Control, GuardedView, StatusView } from './views.ts'

/** A metric without its values. */
export interface MetricDescription {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
  readonly help: string
}

const tripped = ({ heldSince }: GuardedView): number => (heldSince === undefined ? 0 : 1)

const policies = ['full', 'strict', 'proxies-only', 'refused']

/**
 * The agent's state for Prometheus. Labels have few values: reasons, states and namespaces. Pods are labels only on
 * request.
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #redirectedBytes = this.#counter(
    'redirected_bytes_total',
    'Bytes that skipped the stack.',
  )
  readonly #tcpBytes = this.#counter('tcp_bytes_total', 'Bytes that enrolled pods received by TCP.')
  readonly #messages = this.#counter(
    'messages_total',
    'Sends of members, by the path they took.',
    'path',
  )
  readonly #fallbacks = this.#counter(
    'fallbacks_total',
    'Sends, connections and ends that did not take the fast path, by reason.',
    'reason',
  )
  readonly #events = this.#counter(
    'events_total',
    'Events, by kind. Quarantines and resets always count, the others only while somebody traces.',
    'kind',
  )
  readonly #connections = this.#gauge('connections', 'Open connections of enrolled pods.', 'state')
  readonly #enrolledPods = this.#gauge('enrolled_pods', 'Pods whose connections are watched.')
  readonly #unreadBytes = this.#gauge('unread_bytes', 'Redirected bytes that have not been read.')
  readonly #policy = this.#gauge('policy', '1 for the policy that the self-test allows.', 'policy')
  readonly #selfTest = this.#gauge(
    'self_test',
    '1 where the kernel behaves as applications expect of TCP, by probe.',
    'probe',
  )
  readonly #synced = this.#gauge(
    'source_synced',
    '1 once the agent has handled all pods of the source.',
    'source',
  )
  readonly #trial = this.#gauge(
    'trial',
    '1 while a trial switches the acceleration of this namespace on and off.',
    'namespace',
  )
  readonly #heldPods = this.#gauge('held_pods', 'Pods that a capture holds on TCP.')
  readonly #guardTripped = this.#gauge(
    'guard_tripped',
    '1 while the guard holds pods of this namespace on TCP, 0 while it watches them.',
    'namespace',
  )
  readonly #guardRatio = this.#gauge(
    'guard_p99_ratio',
    'p99 of requests with acceleration divided by p99 by TCP: the median of the last pairs of windows.',
    'namespace',
  )
  readonly #build = this.#gauge('build_info', 'Always 1.', 'version', 'kernel')
  readonly #reconciled = new Histogram({
    name: 'meshaccel_reconcile_seconds',
    help: 'From a report of pods by the sources to the maps.',
    buckets: [0.0001, 0.001, 0.01, 0.1, 1, 10],
    registers: [this.#registry],
  })
  readonly #requests = this.#kernelHistogram(
    'request_seconds',
    "From a client's send to the first byte of the answer, estimated from samples.",
  )
  readonly #readDelays = this.#kernelHistogram(
    'read_delay_seconds',
    'From the arrival of bytes to their receive, estimated from samples.',
  )
  readonly #messageBytes = this.#kernelHistogram(
    'message_bytes',
    'Sizes of sends, estimated from samples.',
  )

  /** The metric of each total. */
  readonly #totals: Readonly<Record<string, (count: number) => void>> = {
    redirectedBytes: (count) => this.#redirectedBytes.inc(count),
    redirectedMessages: (count) => this.#messages.inc({ path: 'redirect' }, count),
    tcpBytes: (count) => this.#tcpBytes.inc(count),
    tcpMessages: (count) => this.#messages.inc({ path: 'tcp' }, count),
  } satisfies Record<keyof Totals, (count: number) => void>

  constructor() {
    // Creates the counters at 0: Prometheus sees no increase in a counter that first appears at 1.
    for (const kind of eventKinds) this.#events.inc({ kind }, 0)
  }

  /** Every metric, in the order in which a scrape lists them. */
  descriptions(): MetricDescription[] {
    return this.#registry.getMetricsAsArray().map((metric) => {
      const { name, help } = metric as { name: string; help: string }
      const type = 'type' in metric ? String(metric.type) : ''
      const labels =
        'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames : []
      return { name, help, type, labels: labels.map(String) }
    })
  }

  /** The reconciler has run. */
  reconciled(seconds: number): void {
    this.#reconciled.observe(seconds)
  }

  /** Records one event. */
  happened(kind: EventKind): void {
    this.#events.inc({ kind })
  }

  /** Builds the page for each scrape. */
  page(
    control: Pick<Control, 'status'>,
    measured: () => readonly Measurement[],
  ): () => Promise<Page> {
    return async (): Promise<Page> => {
      this.#set(await control.status())
      const measurements = measured()
      this.#requests.measurements = measurements
        .filter(({ requestSeconds }) => requestSeconds.count > 0)
        .map((one) => [one, one.requestSeconds])
      this.#readDelays.measurements = measurements.map((one) => [one, one.readDelaySeconds])
      this.#messageBytes.measurements = measurements.map((one) => [one, one.messageBytes])
      return {
        status: 200,
        contentType: this.#registry.contentType,
        body: await this.#registry.metrics(),
      }
    }
  }

  #set(status: StatusView): void {
    const { totals, pods } = status
    const totalled = [this.#redirectedBytes, this.#tcpBytes, this.#messages, this.#fallbacks]
    for (const metric of totalled) metric.reset()
    for (const [name, count] of Object.entries(totals)) this.#totals[name]?.(Number(count))
    for (const [reason, count] of Object.entries(status.reasons)) {
      this.#fallbacks.inc({ reason }, Number(count))
    }
    const { now, ...states } = status.connections
    for (const [state, count] of Object.entries({ all: now, ...states })) {
      this.#connections.set({ state }, count)
    }
    this.#unreadBytes.set(Number(status.unreadBytes))
    this.#enrolledPods.set(pods.enrolled)
    for (const policy of policies) this.#policy.set({ policy }, policy === status.policy ? 1 : 0)
    for (const [probe, ok] of Object.entries(status.selfTest)) {
      this.#selfTest.set({ probe }, ok ? 1 : 0)
    }
    this.#trial.reset()
    if (status.trial) this.#trial.set({ namespace: status.trial.namespace }, 1)
    this.#heldPods.set(status.heldPods.length)
    for (const gauge of [this.#guardTripped, this.#guardRatio]) gauge.reset()
    // A namespace may have pods with several limits: those that are held count.
    for (const one of status.guarded.toSorted((first, last) => tripped(first) - tripped(last))) {
      const { namespace, p99Ratio } = one
      this.#guardTripped.set({ namespace }, tripped(one))
      if (p99Ratio !== undefined) this.#guardRatio.set({ namespace }, p99Ratio)
    }
    this.#synced.set({ source: status.source.name }, status.source.synced ? 1 : 0)
    this.#build.set({ version: status.version, kernel: status.kernel }, 1)
  }

  #counter<L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> {
    return new Counter({ name: `meshaccel_${name}`, help, labelNames, registers: [this.#registry] })
  }

  #gauge<L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> {
    return new Gauge({ name: `meshaccel_${name}`, help, labelNames, registers: [this.#registry] })
  }

  #kernelHistogram(name: string, help: string): KernelHistogram {
    return new KernelHistogram(`meshaccel_${name}`, help, this.#registry)
  }
}
