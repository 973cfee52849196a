import { diag, DiagLogLevel, ROOT_CONTEXT, SpanKind } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { hostname } from 'node:os'
import type { TraceEventView } from '../api/views.ts'
import type { DatapathEvent } from '../datapath/datapath.ts'
import type { Log } from '../lib/log.ts'
import { version } from '../lib/package.ts'

const silent = (): void => undefined

/**
 * Exports each slow request as a span to a collector, over HTTP in JSON. It sends batches and drops what it cannot
 * send.
 */
export class SpanExport {
  readonly #provider: BasicTracerProvider

  /** The default path of the URL is /v1/traces. */
  constructor(url: string, log: Log) {
    const endpoint = new URL(url)
    if (endpoint.pathname === '/') endpoint.pathname = '/v1/traces'
    const say = (message: string): void => log.warn({ err: message }, 'spans')
    diag.setLogger(
      { error: say, warn: say, info: silent, debug: silent, verbose: silent },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
    )
    this.#provider = new BasicTracerProvider({
      resource: resourceFromAttributes({
        'service.name': 'meshaccel',
        'service.version': version,
        'host.name': hostname(),
      }),
      spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: endpoint.href }))],
    })
  }

  /** Adds a span for the client's side of a request, as the kernel saw it. */
  add({ pod, peer, pid, process: comm }: TraceEventView, { flow }: DatapathEvent): void {
    if (!flow) return
    const [namespace = '', name = ''] = pod.split('/')
    // The event's clock is monotonic and has no date.
    const endMs = Date.now() - Number(process.hrtime.bigint() - flow.endedNs) / 1e6
    const span = this.#provider.getTracer('meshaccel', version).startSpan(
      `request to ${peer ?? flow.remote}`,
      {
        kind: SpanKind.CLIENT,
        startTime: endMs - Number(flow.durationNs) / 1e6,
        attributes: {
          'k8s.namespace.name': namespace,
          'k8s.pod.name': name,
          'process.pid': pid,
          'process.executable.name': comm,
          'network.local.address': flow.local,
          'network.peer.address': flow.remote,
          ...(peer === undefined ? {} : { 'meshaccel.peer.pod': peer }),
          'meshaccel.path': flow.path,
        },
      },
      ROOT_CONTEXT,
    )
    span.end(endMs)
  }

  /** Sends the remaining spans. */
  async close(): Promise<void> {
    await this.#provider.shutdown()
  }
}
