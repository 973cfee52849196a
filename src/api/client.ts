import { Client, credentials } from '@grpc/grpc-js'
import { createConnection } from 'node:net'
import { MeshaccelError } from '../lib/errors.ts'
import { errorFromStatus } from './error-metadata.ts'
import type {
  AdviceEventView,
  AdviseRequest,
  ControlMethods,
  FlowFilter,
  FlowView,
  HoldEventView,
  HoldRequest,
  TraceEventView,
  TraceRequest,
  TrialEventView,
  TrialRequest,
} from './views.ts'
import { loadControlService } from './wire.ts'

/** A connection to the agent of this node. Methods throw MeshaccelErrors, including the agent's own. */
export class ControlClient implements Disposable {
  readonly #client: Client
  readonly #service = loadControlService()

  private constructor(client: Client) {
    this.#client = client
  }

  /** Throws AGENT_NOT_RUNNING if no agent answers at the socket, NOT_PERMITTED if only root may use it. */
  static async connect(socketPath: string): Promise<ControlClient> {
    await probe(socketPath)
    return new ControlClient(new Client(`unix:${socketPath}`, credentials.createInsecure()))
  }

  /** Without `timeoutMs` there is no time limit. */
  call<Name extends keyof ControlMethods>(
    name: Name,
    request: ControlMethods[Name]['request'],
    { timeoutMs }: { readonly timeoutMs?: number } = {},
  ): Promise<ControlMethods[Name]['response']> {
    const { path, requestSerialize, responseDeserialize } = this.#method(name)
    const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs }
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<
        ControlMethods[Name]['request'],
        ControlMethods[Name]['response']
      >(path, requestSerialize, responseDeserialize, request, options, (error, response) => {
        if (error) reject(errorFromStatus(error, name))
        else if (response !== undefined) resolve(response)
      })
    })
  }

  /** The live connections, in the chunks of the stream. */
  async *flows(filter: FlowFilter = {}): AsyncGenerator<FlowView[]> {
    const { path, requestSerialize, responseDeserialize } = this.#method('Flows')
    const stream = this.#client.makeServerStreamRequest<FlowFilter, { flows: FlowView[] }>(
      path,
      requestSerialize,
      responseDeserialize,
      filter,
    )
    try {
      for await (const chunk of stream) {
        const { flows }: { flows: FlowView[] } = chunk
        yield flows
      }
    } catch (error) {
      throw errorFromStatus(error, 'Flows')
    }
  }

  /** Yields events until the signal aborts or the agent ends. Calls `onHeard` once the agent listens. */
  async *trace(
    request: TraceRequest,
    signal: AbortSignal,
    onHeard: () => void,
  ): AsyncGenerator<TraceEventView> {
    yield* this.#events<TraceEventView>('Trace', request, signal, onHeard)
  }

  /**
   * Runs a trial. Yields its events until it is complete, the signal aborts or the agent ends. Once the stream has
   * ended, the agent puts everything back as it was.
   */
  async *trial(request: TrialRequest, signal: AbortSignal): AsyncGenerator<TrialEventView> {
    yield* this.#events<TrialEventView>('Trial', request, signal)
  }

  /**
   * Keeps a pod on TCP until the signal aborts or the agent ends. Once the stream has ended, the agent puts everything
   * back as it was.
   */
  async *hold(request: HoldRequest, signal: AbortSignal): AsyncGenerator<HoldEventView> {
    yield* this.#events<HoldEventView>('Hold', request, signal)
  }

  /** Has pods watched. Yields the reports until the time is up, the signal aborts or the agent ends. */
  async *advise(request: AdviseRequest, signal: AbortSignal): AsyncGenerator<AdviceEventView> {
    yield* this.#events<AdviceEventView>('Advise', request, signal)
  }

  async *#events<Event extends object>(
    name: string,
    request: object,
    signal: AbortSignal,
    onHeard: () => void = () => undefined,
  ): AsyncGenerator<Event> {
    const { path, requestSerialize, responseDeserialize } = this.#method(name)
    const stream = this.#client.makeServerStreamRequest<object, Event>(
      path,
      requestSerialize,
      responseDeserialize as (bytes: Buffer) => Event,
      request,
    )
    stream.once('metadata', onHeard)
    const cancel = (): void => stream.cancel()
    signal.addEventListener('abort', cancel)
    try {
      for await (const event of stream) {
        const typed: Event = event
        yield typed
        if (signal.aborted) return
      }
    } catch (error) {
      if (!signal.aborted) throw errorFromStatus(error, name)
    } finally {
      signal.removeEventListener('abort', cancel)
      stream.cancel()
    }
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }

  #method(name: string): NonNullable<ReturnType<typeof loadControlService>[string]> {
    const method = this.#service[name]
    if (!method) throw new Error(`control.proto has no method ${name}`)
    return method
  }
}

/** gRPC retries in the background and hides the errno in its text. A plain connect reports the errno. */
function probe(socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(socketPath)
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      reject(unreachable(socketPath, error))
    })
  })
}

function unreachable(socketPath: string, error: NodeJS.ErrnoException): MeshaccelError {
  const operation = `connect to the agent at ${socketPath}`
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new MeshaccelError('permission denied', {
      code: 'NOT_PERMITTED',
      operation,
      hint: 'Only root may talk to the agent: run the command with sudo.',
      cause: error,
    })
  }
  return new MeshaccelError(
    error.code === 'ECONNREFUSED' ? 'it is not running any more' : 'it is not running',
    {
      code: 'AGENT_NOT_RUNNING',
      operation,
      hint:
        'Start one with `meshaccel agent --pods file:PATH`, or name its socket with --socket. On Kubernetes ' +
        '`kubectl get pods -A -o wide -l app.kubernetes.io/name=meshaccel` shows what became of it on this node.',
      cause: error,
    },
  )
}
