// A client of gRPC that shares no code with the product: it has paths, field numbers and framing of its own.
import { once } from 'node:events'
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'

/** The fields of a message: numbers are varints, everything else is bytes. */
export type Fields = readonly (readonly [number: number, value: number | Uint8Array | string])[]

export interface Answer {
  /** `grpc-status`: 0 is OK. */
  readonly status: number
  readonly details: string
  /** The first message, empty without one. */
  readonly message: Buffer
}

/** Calls a method at a local port with one message, and waits for the end. */
export async function call(port: number, path: string, request: Fields): Promise<Answer> {
  return inCall(port, path, request, async (stream) => {
    let headers: IncomingHttpHeaders = {}
    // Without a message the status may be in the first headers.
    stream.on('response', (first) => (headers = { ...headers, ...first }))
    stream.on('trailers', (last) => (headers = { ...headers, ...last }))
    const parts: Buffer[] = []
    stream.on('data', (part: Buffer) => parts.push(part))
    await once(stream, 'close')
    return {
      status: Number(headers['grpc-status']),
      details: decodeURIComponent([headers['grpc-message'] ?? ''].flat().join()),
      message: unframe(Buffer.concat(parts)),
    }
  })
}

/** The first message of a stream, and whether the call was still open after it. */
export async function firstOf(
  port: number,
  path: string,
  request: Fields,
): Promise<{ first: Buffer; open: boolean }> {
  return inCall(port, path, request, async (stream) => {
    const [data]: Buffer[] = await once(stream, 'data')
    // The end of the call would arrive before the answer to a ping.
    await new Promise((resolve) => stream.session?.ping(resolve))
    return { first: unframe(data ?? Buffer.alloc(0)), open: !stream.readableEnded }
  })
}

async function inCall<T>(
  port: number,
  path: string,
  request: Fields,
  use: (stream: ClientHttp2Stream) => Promise<T>,
): Promise<T> {
  const session = connect(`http://127.0.0.1:${port}`)
  try {
    await once(session, 'connect')
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.end(frame(encode(request)))
    return await use(stream)
  } finally {
    session.destroy()
  }
}

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const unframe = (body: Buffer): Buffer =>
  body.length === 0 ? body : body.subarray(5, 5 + body.readUInt32BE(1))

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]
}

export function encode(fields: Fields): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number') return Buffer.from([...varint(number * 8), ...varint(value)])
      const bytes = Buffer.from(value)
      return Buffer.concat([
        Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]),
        bytes,
      ])
    }),
  )
}

/** The last value of each field: varints and fixed32 as numbers, the rest as bytes. */
export function decode(message: Buffer): Map<number, number | Buffer> {
  const fields = new Map<number, number | Buffer>()
  let at = 0
  const next = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message.readUInt8(at++)
      value += (byte % 128) * scale
      if (byte < 128) return value
    }
  }
  const take = (size: number): Buffer => {
    at += size
    return message.subarray(at - size, at)
  }
  const readers: Readonly<Record<number, () => number | Buffer>> = {
    0: next,
    2: () => take(next()),
    5: () => take(4).readUInt32LE(),
  }
  while (at < message.length) {
    const key = next()
    const number = Math.floor(key / 8)
    const read = readers[key % 8]
    if (!read) throw new Error(`field ${number} has wire type ${key % 8}`)
    fields.set(number, read())
  }
  return fields
}
