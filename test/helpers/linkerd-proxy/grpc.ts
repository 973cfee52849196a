// A client of gRPC that shares no code with the product: it has the paths, field numbers and framing of its own.
import { once } from 'node:events'
import { connect } from 'node:http2'

/** The fields of a message: numbers are varints, everything else is bytes. */
export type Fields = readonly (readonly [number: number, value: number | Uint8Array | string])[]

export interface Answer {
  /** `grpc-status`: 0 is OK. */
  readonly status: number
  readonly details: string
  /** The first message, empty without one. */
  readonly message: Buffer
}

/** Calls a method at a local port, with one message. */
export async function call(port: number, path: string, request: Fields): Promise<Answer> {
  const session = connect(`http://127.0.0.1:${port}`)
  try {
    await once(session, 'connect')
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    let headers: Record<string, unknown> = {}
    // Without a message the status may be in the first headers.
    stream.on('response', (first) => (headers = { ...headers, ...first }))
    stream.on('trailers', (last) => (headers = { ...headers, ...last }))
    const parts: Buffer[] = []
    stream.on('data', (part: Buffer) => parts.push(part))
    stream.end(frame(encode(request)))
    await once(stream, 'close')
    const body = Buffer.concat(parts)
    const size = body.length === 0 ? 0 : body.readUInt32BE(1)
    return {
      status: Number(headers['grpc-status']),
      details: decodeURIComponent(String(headers['grpc-message'] ?? '')),
      message: body.subarray(5, 5 + size),
    }
  } finally {
    session.destroy()
  }
}

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

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

/** The last value of each field. */
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
  while (at < message.length) {
    const key = next()
    const value = next()
    const number = Math.floor(key / 8)
    if (key % 8 === 0) {
      fields.set(number, value)
    } else if (key % 8 === 2) {
      fields.set(number, message.subarray(at, at + value))
      at += value
    } else {
      throw new Error(`field ${number} has wire type ${key % 8}`)
    }
  }
  return fields
}
