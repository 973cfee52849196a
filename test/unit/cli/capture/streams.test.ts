import { array, assert, boolean, integer, property, record, uint8Array } from 'fast-check'
import { test } from 'tap'
import { Pcap, Pcapng, PcapToPcapng } from '../../../../src/cli/capture/streams.ts'

interface Packet {
  readonly seconds: number
  readonly fraction: number
  readonly data: Uint8Array
  readonly length: number
}

/** A pcap file as pcap-savefile(5) describes it. */
function pcap(packets: readonly Packet[], { isLittle = true, isNano = false } = {}): Buffer {
  const numbers = (...values: number[]): Buffer => {
    const bytes = Buffer.alloc(4 * values.length)
    values.forEach((value, i) =>
      isLittle ? bytes.writeUInt32LE(value, 4 * i) : bytes.writeUInt32BE(value, 4 * i),
    )
    return bytes
  }
  const version = isLittle ? 2 | (4 << 16) : (2 << 16) | 4
  const head = numbers(isNano ? 0xa1b23c4d : 0xa1b2c3d4, version, 0, 0, 262_144, 276)
  const records = packets.map(({ seconds, fraction, data, length }) =>
    Buffer.concat([numbers(seconds, fraction, data.length, length), data]),
  )
  return Buffer.concat([head, ...records])
}

/** The packets of a pcapng file, and the types of its blocks. */
function readPcapng(file: Buffer, perSecond: bigint): { types: number[]; packets: Packet[] } {
  const types: number[] = []
  const packets: Packet[] = []
  for (let offset = 0; offset < file.length;) {
    const [type, length] = [file.readUInt32LE(offset), file.readUInt32LE(offset + 4)]
    if (file.readUInt32LE(offset + length - 4) !== length) throw new Error('both lengths differ')
    types.push(type)
    if (type === 6) {
      const [high, low, captured, whole] = [12, 16, 20, 24].map((at) =>
        file.readUInt32LE(offset + at),
      )
      const time = (BigInt(high ?? 0) << 32n) | BigInt(low ?? 0)
      packets.push({
        seconds: Number(time / perSecond),
        fraction: Number(time % perSecond),
        data: new Uint8Array(file.subarray(offset + 28, offset + 28 + (captured ?? 0))),
        length: whole ?? 0,
      })
    }
    offset += length
  }
  return { types, packets }
}

/** Pushes the bytes in pieces of these sizes, again and again. */
function inPieces(
  stream: { push(chunk: Uint8Array): Buffer },
  bytes: Buffer,
  sizes: readonly number[],
): Buffer {
  const out: Buffer[] = []
  for (let offset = 0, i = 0; offset < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1
    out.push(stream.push(bytes.subarray(offset, offset + size)))
    offset += size
  }
  return Buffer.concat(out)
}

const u32 = integer({ min: 0, max: 2 ** 32 - 1 })
const packet = record({
  seconds: u32,
  fraction: integer({ min: 0, max: 999_999 }),
  data: uint8Array({ maxLength: 80 }),
  length: u32,
})
const sizes = array(integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 })
const notes = { comment: 'pod shop/cart', interfaceName: 'any' }

void test('every packet of a pcap arrives in the pcapng, in pieces of any size', async (t) => {
  assert(
    property(array(packet), sizes, boolean(), boolean(), (packets, pieces, isLittle, isNano) => {
      const stream = new PcapToPcapng(notes)
      const file = inPieces(stream, pcap(packets, { isLittle, isNano }), pieces)
      const read = readPcapng(file, isNano ? 1_000_000_000n : 1_000_000n)
      t.strictSame(read.types, [0x0a0d0d0a, 1, ...packets.map(() => 6)])
      t.strictSame(
        read.packets,
        packets.map((one) => ({ ...one, data: new Uint8Array(one.data) })),
      )
      t.equal(stream.packets, packets.length)
    }),
    { numRuns: 30 },
  )
})

void test('only whole records pass', async (t) => {
  const one = { seconds: 1, fraction: 2, data: Buffer.from('hello'), length: 5 }
  const whole = pcap([one, one])
  const first = pcap([one])
  const stream = new Pcap()
  t.strictSame(stream.push(whole.subarray(0, whole.length - 1)), first)
  t.match(stream, { packets: 1, left: 20 })
  t.strictSame(stream.push(whole.subarray(-1)), whole.subarray(first.length))
  t.match(stream, { packets: 2, left: 0 })

  const converted = new PcapToPcapng(notes).push(whole)
  const passed = new Pcapng()
  t.strictSame(inPieces(passed, converted, [7]), converted)
  t.match(passed, { packets: 2, left: 0 })
})

void test('the notes are in the file', async (t) => {
  const text = new PcapToPcapng(notes).push(pcap([])).toString('latin1')
  t.match(text, 'pod shop/cart')
  t.match(text, /meshaccel \d/)
})

void test('what is no capture is an error', async (t) => {
  const text = Buffer.from('usage: tcpdump [-AbdDefhHIJKlLnNOpqStuUvxX#] [ -B size ] [ -c count ]')
  for (const stream of [new Pcap(), new PcapToPcapng(notes), new Pcapng()]) {
    t.throws(() => stream.push(text), { code: 'UNKNOWN_FORMAT' })
  }
  const huge = pcap([{ seconds: 0, fraction: 0, data: Buffer.alloc(0), length: 0 }])
  huge.writeUInt32LE(0xffff_ffff, 24 + 8)
  t.throws(() => new Pcap().push(huge), { code: 'UNKNOWN_FORMAT' })
})
