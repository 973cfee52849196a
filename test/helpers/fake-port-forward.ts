import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'

/** The end of a connection to a pod: a local port, an error of the kubelet, or silence after it or instead. */
export type Forwarding = number | { readonly error: string } | 'silent' | 'mute'

/** The answer of the API server instead of a WebSocket. */
export interface Refusal {
  readonly status: number
  readonly message: string
}

/**
 * The side of the API server and the kubelet in `kubectl port-forward` over a WebSocket: `v4.channel.k8s.io`. `pod` is
 * `namespace/name`.
 */
export function fakePortForward(
  to: (pod: string, port: number) => Forwarding | Refusal | undefined,
): (request: IncomingMessage, socket: Duplex) => void {
  return (request, socket) => {
    socket.on('error', () => undefined)
    const url = new URL(request.url ?? '', 'http://api')
    const [, namespace, name] =
      /namespaces\/([^/]+)\/pods\/([^/]+)\/portforward$/.exec(url.pathname) ?? []
    const port = Number(url.searchParams.get('ports'))
    const target = to(`${namespace}/${name}`, port) ?? { status: 404, message: 'not found' }
    if (typeof target === 'object' && 'status' in target) {
      const body = JSON.stringify({ kind: 'Status', message: target.message })
      const head = `HTTP/1.1 ${target.status} No\r\nContent-Type: application/json\r\n`
      socket.end(`${head}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
      return
    }
    if (target === 'mute') return
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${createHash('sha1').update(key).digest('base64')}\r\n` +
        `Sec-WebSocket-Protocol: ${request.headers['sec-websocket-protocol']}\r\n\r\n`,
    )
    const number = Buffer.of(port & 0xff, port >> 8)
    for (const channel of [0, 1]) socket.write(frame(Buffer.concat([Buffer.of(channel), number])))
    // Any client must answer it.
    socket.write(Buffer.of(0x89, 0))
    if (typeof target === 'object') socket.write(frame(Buffer.from(`\u0001${target.error}`)))
    if (typeof target === 'number') forward(socket, target)
  }
}

function forward(socket: Duplex, port: number): void {
  const pod = connect(port, '127.0.0.1')
  pod.on('error', () => socket.destroy())
  // In pieces, and each in two fragments of one message.
  pod.on('data', (data: Buffer) => {
    const half = data.length >> 1
    socket.write(frame(Buffer.concat([Buffer.of(0), data.subarray(0, half)]), 0x02))
    socket.write(frame(data.subarray(half), 0x80))
  })
  pod.on('end', () => socket.end(Buffer.of(0x88, 0)))
  socket.on('close', () => pod.destroy())
  let received: Buffer = Buffer.alloc(0)
  socket.on('data', (data: Buffer) => {
    received = Buffer.concat([received, data])
    for (;;) {
      const size = (received[1] ?? 0) & 0x7f
      const head = size === 126 ? 8 : 6
      const length = size === 126 && received.length >= 4 ? received.readUInt16BE(2) : size
      if (received.length < head || received.length < head + length) return
      const mask = received.subarray(head - 4, head)
      const payload = received
        .subarray(head, head + length)
        .map((byte, i) => byte ^ (mask[i % 4] ?? 0))
      const isData = ((received[0] ?? 0) & 0x0f) === 2 && payload[0] === 0
      received = received.subarray(head + length)
      if (isData) pod.write(payload.subarray(1))
    }
  })
}

/** A frame of a server, which is not masked. 0x82: a whole message of bytes. */
function frame(payload: Buffer, first = 0x82): Buffer {
  if (payload.length < 126) return Buffer.concat([Buffer.of(first, payload.length), payload])
  const head = Buffer.of(first, 126, 0, 0)
  head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}
