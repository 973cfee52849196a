import type { KubeConfig } from '#kube-config'
import { once } from 'node:events'
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { messageOf } from '../../../lib/errno.ts'
import { isExplained } from '../../../lib/errors.ts'
import { errorOfConnection, errorOfNonsense, errorOfStatus } from './api-error.ts'
import { withoutManagedFields } from './managed-fields.ts'

export interface ApiRequest {
  /** For messages: `list pods`. */
  readonly operation: string
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly accept?: string
  /** A body makes the request a POST. */
  readonly body?: object
}

/** The time limit for the start of an answer, and for the end of an answer that is not a watch. */
const answerWithinMs = 30_000
/** After this long without a packet the kernel probes the server. It gives up 10 s later. */
const keepAliveMs = 30_000
/** An etcd object has at most 1.5 MiB. */
const maxLineBytes = 16 << 20

/**
 * The few calls of the Kubernetes API that the source needs. client-node finds the server and the credentials. Its own
 * calls are not used: they cannot request metadata only, and cannot detect a server that went silent.
 */
export class KubeApi {
  readonly #config: KubeConfig

  constructor(config: KubeConfig) {
    this.#config = config
  }

  /** Returns the answer in the shape that the API promises. Throws a MeshaccelError (api-error.ts). */
  async call<Answer>(request: ApiRequest, signal: AbortSignal): Promise<Answer> {
    using limit = new Limit(signal)
    const response = await this.#send(request, limit.signal)
    const text = await this.#text(request, response)
    try {
      const answer: Answer = JSON.parse(text)
      return answer
    } catch (error) {
      throw errorOfNonsense(request.operation, error)
    }
  }

  /**
   * Begins a watch and yields its lines. The caller must read until the server ends the watch. Both steps throw
   * MeshaccelErrors (api-error.ts).
   */
  async watch(request: ApiRequest, signal: AbortSignal): Promise<AsyncGenerator<string>> {
    const limit = new Limit(signal)
    try {
      const response = await this.#send(request, limit.signal)
      limit.answered()
      return this.#lines(request, response, limit)
    } catch (error) {
      limit[Symbol.dispose]()
      throw error
    }
  }

  async *#lines(
    request: ApiRequest,
    response: IncomingMessage,
    limit: Limit,
  ): AsyncGenerator<string> {
    let chunks: Buffer[] = []
    let bytes = 0
    try {
      for await (const part of response) {
        const chunk: Buffer = part
        let start = 0
        for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
          chunks.push(chunk.subarray(start, end))
          const line = withoutManagedFields(Buffer.concat(chunks))
          chunks = []
          bytes = 0
          start = end + 1
          if (line) yield line
        }
        chunks.push(chunk.subarray(start))
        bytes += chunk.length - start
        if (bytes > maxLineBytes) throw new Error('a line of the watch has no end')
      }
    } catch (error) {
      throw isExplained(error) ? error : errorOfConnection(request.operation, this.#server, error)
    } finally {
      response.destroy()
      limit[Symbol.dispose]()
    }
  }

  get #server(): string {
    return this.#config.getCurrentCluster()?.server ?? ''
  }

  async #text(request: ApiRequest, response: IncomingMessage): Promise<string> {
    try {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      return withoutManagedFields(Buffer.concat(chunks))
    } catch (error) {
      throw errorOfConnection(request.operation, this.#server, error)
    }
  }

  /**
   * Asks the server to speak another protocol on this connection. Returns the connection, and its bytes so far. Throws
   * like `call`.
   */
  async upgrade(
    request: ApiRequest,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ response: IncomingMessage; socket: Duplex; head: Buffer }> {
    const sent = await this.#begin(request, signal, { ...headers, Connection: 'Upgrade' })
    const upgraded = once(sent, 'upgrade')
    // Only one of the two comes.
    upgraded.catch(() => undefined)
    try {
      const [first] = await Promise.race([once(sent, 'response'), upgraded])
      const response: IncomingMessage = first
      if (response.statusCode === 101) {
        const [, socket, head] = await upgraded
        return { response, socket, head }
      }
      const said = statusMessage(await this.#text(request, response))
      throw errorOfStatus(request.operation, response.statusCode ?? 0, said)
    } catch (error) {
      throw isExplained(error) ? error : errorOfConnection(request.operation, this.#server, error)
    }
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { operation } = request
    let response: IncomingMessage
    try {
      const sent = await this.#begin(request, signal)
      const [first]: IncomingMessage[] = await once(sent, 'response')
      if (!first) throw new Error('no response')
      response = first
    } catch (error) {
      throw isExplained(error) ? error : errorOfConnection(operation, this.#server, error)
    }
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return response
    throw errorOfStatus(operation, status, statusMessage(await this.#text(request, response)))
  }

  /** Sends a request. */
  async #begin(
    request: ApiRequest,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ClientRequest> {
    const { operation, path, query = {}, accept = 'application/json', body } = request
    const url = new URL(this.#server.replace(/\/$/, '') + path)
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value)
    const content = body === undefined ? undefined : JSON.stringify(body)
    const options: RequestOptions & { headers: Record<string, string> } = { headers: {} }
    try {
      await this.#config.applyToHTTPSOptions(options)
    } catch (error) {
      throw errorOfConnection(operation, this.#server, error)
    }
    Object.assign(options.headers, { Accept: accept, 'User-Agent': 'meshaccel' }, headers)
    const { Authorization } = options.headers
    // Editors end a file with a line break, which is invalid in a header.
    if (Authorization !== undefined) options.headers['Authorization'] = Authorization.trim()
    if (content !== undefined) options.headers['Content-Type'] = 'application/json'
    options.method = content === undefined ? 'GET' : 'POST'
    options.signal = signal
    const send = url.protocol === 'http:' ? httpRequest : httpsRequest
    const sent = send(url, options)
    sent.on('socket', (socket) => socket.setKeepAlive(true, keepAliveMs))
    // After the answer has begun, its own events report errors.
    sent.on('error', () => undefined)
    sent.end(content)
    return sent
  }
}

/** Aborts after a time limit, or together with `signal`. (AbortSignal.any leaks in Node 20.) */
class Limit implements Disposable {
  readonly #controller = new AbortController()
  readonly #outer: AbortSignal
  readonly #timer: NodeJS.Timeout
  readonly #abort = (): void => this.#controller.abort(this.#outer.reason)

  constructor(outer: AbortSignal) {
    this.#outer = outer
    outer.addEventListener('abort', this.#abort)
    if (outer.aborted) this.#abort()
    const late = new Error(`no answer within ${answerWithinMs / 1000} s`)
    this.#timer = setTimeout(() => this.#controller.abort(late), answerWithinMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  answered(): void {
    clearTimeout(this.#timer)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#outer.removeEventListener('abort', this.#abort)
  }
}

/** The message of a Status object, or the beginning of any other text. */
function statusMessage(text: string): string {
  try {
    const status: unknown = JSON.parse(text)
    if (typeof status === 'object' && status !== null && 'message' in status) {
      return messageOf(status.message)
    }
  } catch {
    // A proxy on the way may answer in its own format.
  }
  return text.slice(0, 200)
}
