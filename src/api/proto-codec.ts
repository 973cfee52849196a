import type { Field, Message, Scalar } from './proto-file.ts'

/** The wire types of protobuf: https://protobuf.dev/programming-guides/encoding. */
const wire = { varint: 0, fixed64: 1, length: 2, fixed32: 5 } as const

const wireTypes: Readonly<Record<Scalar, number>> = {
  string: wire.length,
  bool: wire.varint,
  uint32: wire.varint,
  uint64: wire.varint,
  double: wire.fixed64,
}

/** The bytes of a message. Absent fields are left out; `uint64` takes bigints. Throws a TypeError at another type. */
export function encode(message: Message, value: object): Buffer {
  const writer = new Writer()
  writeMessage(writer, message, value)
  return writer.bytes()
}

/** The message in these bytes, with the zeros of what is absent. Fields that it does not have are skipped. */
export function decode(message: Message, bytes: Uint8Array): object {
  return readMessage(new Reader(bytes), message, bytes.length)
}

function writeMessage(writer: Writer, message: Message, value: object): void {
  for (const field of message.fields) {
    const content: unknown = Reflect.get(value, field.name)
    if (content === undefined || content === null) continue
    if (field.rule === 'repeated') {
      if (!Array.isArray(content)) throw wrongType(field.name, 'a list')
      for (const one of content) writeField(writer, field, one)
    } else if (field.rule === 'map') {
      if (typeof content !== 'object') throw wrongType(field.name, 'an object')
      for (const [key, one] of Object.entries(content)) {
        writer.tag(field.number, wire.length)
        writer.nested(() => {
          writer.tag(1, wire.length)
          writer.string(key)
          writeField(writer, { ...field, number: 2 }, one)
        })
      }
    } else writeField(writer, field, content)
  }
}

function writeField(writer: Writer, { name, number, type }: Field, value: unknown): void {
  if (typeof type === 'object') {
    if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object')
    writer.tag(number, wire.length)
    writer.nested(() => writeMessage(writer, type, value))
    return
  }
  writer.tag(number, wireTypes[type])
  if (type === 'string') {
    if (typeof value !== 'string') throw wrongType(name, 'a string')
    writer.string(value)
  } else if (type === 'bool') {
    writer.varint(value ? 1 : 0)
  } else if (type === 'double') {
    writer.double(Number(value))
  } else {
    if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongType(name, 'a number')
    if (type === 'uint32') writer.varint(Number(value) >>> 0)
    else writer.varint64(BigInt.asUintN(64, BigInt(value)))
  }
}

function wrongType(name: string, type: string): TypeError {
  return new TypeError(`${name} must be ${type}`)
}

function readMessage(reader: Reader, message: Message, end: number): object {
  const found: Record<string, unknown> = {}
  for (const { name, rule, type } of message.fields) {
    if (rule === 'repeated') found[name] = []
    else if (rule === 'map') found[name] = {}
    else if (rule === 'single') found[name] = typeof type === 'object' ? null : zeros[type]
  }
  while (reader.at < end) {
    const tag = reader.varint()
    const field = message.fields.find(({ number }) => number === tag >>> 3)
    const wireType = tag & 7
    if (!field) {
      reader.skip(wireType)
      continue
    }
    const { name, rule } = field
    const before = found[name]
    if (rule === 'map' && typeof before === 'object' && before !== null) {
      readEntry(reader, field, before)
    } else if (rule === 'repeated' && Array.isArray(before)) {
      before.push(readField(reader, field, wireType))
    } else found[name] = readField(reader, field, wireType)
  }
  if (reader.at > end) throw new RangeError('a message ends inside of a field')
  return found
}

const zeros: Readonly<Record<Scalar, unknown>> = {
  string: '',
  bool: false,
  uint32: 0,
  uint64: 0n,
  double: 0,
}

function readEntry(reader: Reader, field: Field, map: object): void {
  const end = reader.end()
  let key = ''
  let value = typeof field.type === 'object' ? null : zeros[field.type]
  while (reader.at < end) {
    const tag = reader.varint()
    if (tag >>> 3 === 1) key = String(readField(reader, { ...field, type: 'string' }, tag & 7))
    else if (tag >>> 3 === 2) value = readField(reader, field, tag & 7)
    else reader.skip(tag & 7)
  }
  if (reader.at > end) throw new RangeError('an entry of a map ends inside of a field')
  // An assignment to __proto__ would change the object's prototype.
  Object.defineProperty(map, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  })
}

function readField(reader: Reader, { name, type }: Field, wireType: number): unknown {
  const expected = typeof type === 'object' ? wire.length : wireTypes[type]
  if (wireType !== expected) throw new RangeError(`${name} has wire type ${wireType}`)
  if (typeof type === 'object') return readMessage(reader, type, reader.end())
  if (type === 'string') return reader.string()
  if (type === 'bool') return reader.varint64() !== 0n
  if (type === 'double') return reader.double()
  return type === 'uint32' ? reader.varint() : reader.varint64()
}

class Writer {
  #buffer = Buffer.allocUnsafe(256)
  #end = 0

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#end)
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType)
  }

  /** A whole number up to 2^53. */
  varint(value: number): void {
    this.#reserve(10)
    let rest = value
    while (rest > 127) {
      this.#buffer[this.#end++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#buffer[this.#end++] = rest
  }

  varint64(value: bigint): void {
    if (value <= Number.MAX_SAFE_INTEGER) return this.varint(Number(value))
    this.#reserve(10)
    let rest = value
    while (rest > 127n) {
      this.#buffer[this.#end++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.#buffer[this.#end++] = Number(rest)
  }

  double(value: number): void {
    this.#reserve(8)
    this.#end = this.#buffer.writeDoubleLE(value, this.#end)
  }

  string(text: string): void {
    const length = Buffer.byteLength(text)
    this.varint(length)
    this.#reserve(length)
    this.#end += this.#buffer.write(text, this.#end)
  }

  /** What `write` writes, behind its length. */
  nested(write: () => void): void {
    const start = this.#end
    write()
    const length = this.#end - start
    this.varint(length)
    const head = this.#buffer.subarray(start + length, this.#end)
    const prefix = Uint8Array.from(head)
    this.#buffer.copyWithin(start + prefix.length, start, start + length)
    this.#buffer.set(prefix, start)
  }

  #reserve(length: number): void {
    if (this.#end + length <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(2 * (this.#end + length))
    this.#buffer.copy(larger, 0, 0, this.#end)
    this.#buffer = larger
  }
}

/** Throws a RangeError where the bytes end too early. */
class Reader {
  readonly #bytes: Buffer
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** The low 32 bits. */
  varint(): number {
    const start = this.at
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
    this.at = start
    return Number(this.varint64() & 0xffff_ffffn)
  }

  varint64(): bigint {
    let value = 0
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.#byte()
      value += (byte & 127) * scale
      if (byte < 128) return BigInt(value)
    }
    let high = BigInt(value)
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      high |= BigInt(byte & 127) << shift
      if (byte < 128) return BigInt.asUintN(64, high)
    }
    throw new RangeError('a number has more than ten bytes')
  }

  double(): number {
    const value = this.#bytes.readDoubleLE(this.at)
    this.at += 8
    return value
  }

  string(): string {
    const end = this.end()
    const text = this.#bytes.toString('utf8', this.at, end)
    this.at = end
    return text
  }

  /** Reads a length; returns where what has it ends. */
  end(): number {
    const length = this.varint()
    const end = this.at + length
    if (end > this.#bytes.length) throw new RangeError('the message ends too early')
    return end
  }

  skip(wireType: number): void {
    if (wireType === wire.varint) this.varint64()
    else if (wireType === wire.fixed64) this.at += 8
    else if (wireType === wire.fixed32) this.at += 4
    else if (wireType === wire.length) this.at = this.end()
    else throw new RangeError(`there is no wire type ${wireType}`)
  }

  #byte(): number {
    const byte = this.#bytes[this.at++]
    if (byte === undefined) throw new RangeError('the message ends too early')
    return byte
  }
}
