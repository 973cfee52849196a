import {
  Metadata,
  Server,
  ServerCredentials,
  status as grpcStatus,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { defaults } from '../lib/config.ts'
import { messageOf } from '../lib/errno.ts'
import { isExplained } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { bindPrivately } from '../lib/private-socket.ts'
import { errorMetadata } from './error-metadata.ts'
import type {
  AdviceEventView,
  AdviseRequest,
  Control,
  ControlMethods,
  DrainRequest,
  FlowFilter,
  FlowView,
  HoldEventView,
  HoldRequest,
  TraceEventView,
  TraceRequest,
  TrialEventView,
  TrialRequest,
} from './views.ts'
import { controlService, loadControlService } from './wire.ts'

/** The limit of events that wait for a slow client. Events come in bursts. */
const eventsWaiting = 1_000

/** The control interface on a Unix socket that only root may use. */
export class ControlServer {
  readonly #server: Server
  readonly #health = new HealthImplementation({
    '': 'NOT_SERVING',
    [controlService]: 'NOT_SERVING',
  })

  /** Ends streams that would not end by themselves. */
  readonly #ending: AbortController

  private constructor(server: Server, ending: AbortController) {
    this.#server = server
    this.#ending = ending
    this.#health.addToServer(server)
  }

  /** Serves at `socketPath`, which must not exist: see lockAgent. */
  static async listen(socketPath: string, control: Control, log: Log): Promise<ControlServer> {
    const server = new Server()
    const ending = new AbortController()
    server.addService(loadControlService(), implementation(control, log, ending.signal))
    const started = new ControlServer(server, ending)
    const bind = promisify(server.bindAsync.bind(server))
    await bindPrivately(socketPath, () =>
      bind(`unix:${socketPath}`, ServerCredentials.createInsecure()),
    )
    return started
  }

  /** Sets the health service (grpc.health.v1) to SERVING: the agent has handled all its pods. */
  setReady(): void {
    for (const service of ['', controlService]) this.#health.setStatus(service, 'SERVING')
  }

  /** Finishes open calls for at most `graceMs`, then removes the socket. */
  async close(graceMs = 1_000): Promise<void> {
    this.#ending.abort()
    const forced = setTimeout(() => this.#server.forceShutdown(), graceMs)
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()))
    clearTimeout(forced)
  }
}

function implementation(
  control: Control,
  log: Log,
  ending: AbortSignal,
): UntypedServiceImplementation {
  const flows: handleServerStreamingCall<FlowFilter, { flows: readonly FlowView[] }> = (call) => {
    streamFlows(control, call).catch((error: unknown) => call.emit('error', toStatus(error, log)))
  }
  const trace: handleServerStreamingCall<TraceRequest, TraceEventView> = (call) => {
    try {
      streamEvents(control, call, ending)
    } catch (error) {
      call.emit('error', toStatus(error, log))
    }
  }
  const trial: handleServerStreamingCall<TrialRequest, TrialEventView> = (call) => {
    streamUntilGone(call, ending, (signal) => control.trial(call.request, signal)).catch(
      (error: unknown) => call.emit('error', toStatus(error, log)),
    )
  }
  const hold: handleServerStreamingCall<HoldRequest, HoldEventView> = (call) => {
    streamUntilGone(call, ending, (signal) => control.hold(call.request, signal)).catch(
      (error: unknown) => call.emit('error', toStatus(error, log)),
    )
  }
  const advise: handleServerStreamingCall<AdviseRequest, AdviceEventView> = (call) => {
    streamUntilGone(call, ending, (signal) => control.advise(call.request, signal)).catch(
      (error: unknown) => call.emit('error', toStatus(error, log)),
    )
  }
  return {
    Status: unary<'Status'>(log, () => control.status()),
    Pods: unary<'Pods'>(log, async () => ({ pods: await control.pods() })),
    Readers: unary<'Readers'>(log, async () => ({ readers: await control.readers() })),
    Forgive: unary<'Forgive'>(log, (reader) => ({ forgiven: control.forgive(reader) })),
    Flows: flows,
    Trace: trace,
    Trial: trial,
    Hold: hold,
    Advise: advise,
    Reasons: unary<'Reasons'>(log, async () => ({ reasons: await control.reasons() })),
    Overview: unary<'Overview'>(log, () => control.overview()),
    HopFlows: unary<'HopFlows'>(log, async ({ ends, limit }) => ({
      flows: await control.hopFlows(ends ?? {}, Math.min(limit || 100, 1000)),
    })),
    Drain: unary<'Drain'>(log, async (request) => ({
      already: await control.drain(withDefaults(request)),
    })),
    Resume: unary<'Resume'>(log, () => ({ already: control.resume() })),
    Cleanup: unary<'Cleanup'>(log, async (request) => {
      await control.cleanup(withDefaults(request))
      return {}
    }),
  }
}

const withDefaults = (request: DrainRequest): DrainRequest => ({
  ...request,
  timeoutMs: request.timeoutMs || defaults.drainTimeoutMs,
})

type Request<Name extends keyof ControlMethods> = ControlMethods[Name]['request']
type Response<Name extends keyof ControlMethods> = ControlMethods[Name]['response']

function unary<Name extends keyof ControlMethods>(
  log: Log,
  handle: (request: Request<Name>) => Response<Name> | Promise<Response<Name>>,
): handleUnaryCall<Request<Name>, Response<Name>> {
  const respond: handleUnaryCall<Request<Name>, Response<Name>> = async (call, callback) => {
    let response
    try {
      response = await handle(call.request)
    } catch (error) {
      callback(toStatus(error, log))
      return
    }
    callback(null, response)
  }
  return respond
}

async function streamFlows(
  control: Control,
  call: ServerWritableStream<FlowFilter, { flows: readonly FlowView[] }>,
): Promise<void> {
  for await (const flows of control.flows(call.request)) {
    // A slow reader delays its own call, not the agent.
    if (!call.write({ flows })) await Promise.race([once(call, 'drain'), once(call, 'cancelled')])
    if (call.cancelled) break
  }
  call.end()
}

/** Streams events until the client disconnects or the agent ends. Counts events that a slow client has no room for. */
function streamEvents(
  control: Control,
  call: ServerWritableStream<TraceRequest, TraceEventView>,
  ending: AbortSignal,
): void {
  let left = 0n
  const trace = control.trace(call.request, (event) => {
    if (call.writableLength > eventsWaiting) {
      left += event.dropped + 1n
      return
    }
    call.write({ ...event, dropped: event.dropped + left })
    left = 0n
  })
  // The headers tell the client that the agent listens.
  call.sendMetadata(new Metadata())
  const end = (): void => {
    ending.removeEventListener('abort', end)
    trace[Symbol.dispose]()
    call.end()
  }
  ending.addEventListener('abort', end)
  call.on('cancelled', end)
}

/** Streams events until there are no more, the client is gone or the agent ends. Waits until everything is put back. */
async function streamUntilGone<Ask, Event>(
  call: ServerWritableStream<Ask, Event>,
  ending: AbortSignal,
  run: (signal: AbortSignal) => AsyncIterable<Event>,
): Promise<void> {
  const stop = new AbortController()
  const end = (): void => stop.abort()
  ending.addEventListener('abort', end)
  call.on('cancelled', end)
  try {
    for await (const event of run(stop.signal)) call.write(event)
  } finally {
    ending.removeEventListener('abort', end)
  }
  call.end()
}

function toStatus(error: unknown, log: Log): { code: number; details: string } {
  if (isExplained(error)) {
    return { code: grpcStatus.FAILED_PRECONDITION, details: error.message, ...errorMetadata(error) }
  }
  log.error({ err: error }, 'a control call failed')
  const details = messageOf(error)
  return { code: grpcStatus.INTERNAL, details }
}
