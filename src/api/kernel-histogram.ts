import { Histogram as PromHistogram, type Registry } from 'prom-client'
import type { Histogram, Measurement } from '../datapath/datapath.ts'

const labelNames = [
  'source_namespace',
  'source_pod',
  'destination_namespace',
  'destination_pod',
  'path',
]

type Values = Awaited<ReturnType<PromHistogram['get']>>

/** A histogram with counts from the kernel. prom-client's own class must observe each value. */
export class KernelHistogram extends PromHistogram {
  readonly #name: string
  /** Supplies everything except the values. */
  readonly #empty: PromHistogram
  /** The values to report. Set them before each scrape. */
  measurements: readonly (readonly [Measurement, Histogram])[] = []

  constructor(name: string, help: string, registry: Registry) {
    super({ name, help, labelNames, registers: [registry] })
    this.#name = name
    this.#empty = new PromHistogram({ name, help, registers: [] })
  }

  override async get(): Promise<Values> {
    const values = this.measurements.flatMap((one) => this.#lines(one))
    return { ...(await this.#empty.get()), values }
  }

  /** The registry calls this when it writes text. */
  getForPromString(): Promise<Values> {
    return this.get()
  }

  #lines([measurement, { bounds, counts, count, sum }]: readonly [
    Measurement,
    Histogram,
  ]): Values['values'] {
    const labels = labelsOf(measurement)
    const line = (suffix: string, value: number, more = {}): Values['values'][0] => ({
      metricName: `${this.#name}_${suffix}`,
      labels: { ...labels, ...more },
      value,
    })
    let below = 0
    const buckets = counts.map((inBucket, index) => {
      below += inBucket
      return line('bucket', below, { le: bounds[index] ?? '+Inf' })
    })
    return [...buckets, line('sum', sum), line('count', count)]
  }
}

/** A label of the data path is `namespace`, or `namespace/pod` if pods are measured separately. */
function labelsOf({ source, destination, path }: Measurement): Record<string, string> {
  const [sourceNamespace = '', sourcePod] = source.split('/')
  const [destinationNamespace = '', destinationPod] = destination.split('/')
  return {
    source_namespace: sourceNamespace,
    ...(sourcePod === undefined ? {} : { source_pod: sourcePod }),
    destination_namespace: destinationNamespace,
    ...(destinationPod === undefined ? {} : { destination_pod: destinationPod }),
    path,
  }
}
