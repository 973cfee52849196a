import { createHash, randomBytes } from 'node:crypto'
import { addAbortSignal, Duplex } from 'node:stream'
import { MeshaccelError } from '../../../lib/errors.ts'
import type { KubeApi } from './api.ts'

export interface PodPort {
  readonly namespace: string
  readonly name: string
  readonly port: number
}

/** The protocol of `kubectl port-forward` over a WebSocket: each message begins with the number of its channel. */
const PROTOCOL = 'v4.channel.k8s.io'
const DATA = 0
const ERROR = 1
/** RFC 6455. */
const WEBSOCKET_ID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const CONTINUATION = 0
const BINARY = 2
const CLOSE = 8
const PING = 9
const PONG = 10
/** Longer than any frame of the kubelet. */
const LONGEST = 16 << 20

/**
 * Connects to a port of a pod on its own loopback, through the API server and the kubelet. It takes `get` and `create` on
 * pods/portforward. Throws the errors of the API. The connection ends with the signal, too.
 */
export async function forwardPort(
  api: KubeApi,
  { namespace, name, port }: PodPort,
  signal: AbortSignal,
): Promise<Duplex> {
  const operation = `connect to port ${port} of pod ${namespace}/${name}`
  const key = randomBytes(16).toString('base64')
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/portforward`
  const { response, socket, head } = await api.upgrade(
    { operation, path, query: { ports: String(port) }, accept: '*/*' },
    {
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
      'Sec-WebSocket-Protocol': PROTOCOL,
    },
    signal,
  )
  const expected = createHash('sha1').update(`${key}${WEBSOCKET_ID}`).digest('base64')
  if (
    response.headers['sec-websocket-accept'] !== expected ||
    response.headers['sec-websocket-protocol'] !== PROTOCOL
  ) {
    socket.destroy()
    throw new MeshaccelError('the API server speaks another protocol', {
      code: 'API_NONSENSE',
      operation,
      hint: 'A proxy on the way may not let WebSockets pass. `kubectl port-forward` has the same problem.',
    })
  }
  return addAbortSignal(signal, new ForwardedPort(socket, head, operation))
}

interface Frame {
  readonly isFinal: boolean
  readonly opcode: number
  readonly payload: Buffer
}

/** A connection to a port of a pod. */
class ForwardedPort extends Duplex {
  readonly #socket: Duplex
  readonly #operation: string
  #received: Buffer = Buffer.alloc(0)
  /** The channel of the message that is under way. */
  #channel: number | undefined
  /** The first message of each channel is the port, which is known. */
  readonly #begun = new Set<number>()

  constructor(socket: Duplex, head: Buffer, operation: string) {
    super()
    this.#socket = socket
    this.#operation = operation
    socket.on('data', (data: Buffer) => this.#receive(data))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.push(null))
    this.#receive(head)
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(frame(BINARY, Buffer.concat([Buffer.of(DATA), chunk])), done)
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }

  #receive(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data])
    try {
      for (let next = parseFrame(this.#received); next; next = parseFrame(this.#received)) {
        this.#received = this.#received.subarray(next.length)
        this.#hear(next)
      }
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #hear({ isFinal, opcode, payload }: Frame): void {
    if (opcode === CLOSE) return void this.#socket.end()
    if (opcode === PING) return void this.#socket.write(frame(PONG, payload))
    if (opcode === PONG) return
    if (opcode !== CONTINUATION) this.#channel = payload[0]
    const bytes = opcode === CONTINUATION ? payload : payload.subarray(1)
    const channel = this.#channel ?? -1
    if (!this.#begun.has(channel)) {
      if (isFinal) this.#begun.add(channel)
      return
    }
    if (channel === DATA && !this.push(bytes)) this.#socket.pause()
    // Such as: nothing listens at the port.
    if (channel === ERROR && bytes.length > 0) this.destroy(this.#failed(bytes.toString()))
  }

  #failed(said: string): MeshaccelError {
    const isRefused = /connection refused/i.test(said)
    return new MeshaccelError(isRefused ? 'nothing listens there' : said.trim(), {
      code: 'FORWARD_FAILED',
      operation: this.#operation,
      hint: isRefused
        ? 'The agent has ended, or its address for metrics is not loopback.'
        : undefined,
      retryable: true,
    })
  }
}

/** The first frame of these bytes and its whole length, once it has arrived. The server does not mask its frames. */
function parseFrame(bytes: Buffer): (Frame & { readonly length: number }) | undefined {
  if (bytes.length < 2) return undefined
  const [first = 0, second = 0] = bytes
  const short = second & 0x7f
  const head = short === 126 ? 4 : short === 127 ? 10 : 2
  if (bytes.length < head) return undefined
  const size =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
  if ((second & 0x80) !== 0 || size > LONGEST) throw new Error('a frame makes no sense')
  const length = head + size
  if (bytes.length < length) return undefined
  return {
    isFinal: (first & 0x80) !== 0,
    opcode: first & 0x0f,
    payload: bytes.subarray(head, length),
    length,
  }
}

/** A frame from the client, which masks it. */
function frame(opcode: number, payload: Buffer): Buffer {
  const size = payload.length
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10)
  head[0] = 0x80 | opcode
  head[1] = 0x80 | (size < 126 ? size : size < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(size, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2)
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0))])
}
