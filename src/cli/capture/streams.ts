/** The formats of captured packets, as streams. Only whole records pass, so that a file never ends within one. */

import { MeshaccelError } from '../../lib/errors.ts'
import { version } from '../../lib/package.ts'

export interface CaptureStream {
  /** Takes the next bytes. Returns the records that are whole by now. */
  push(chunk: Uint8Array): Buffer
  /** Packets so far. */
  readonly packets: number
  /** Bytes of a record that is not whole yet. */
  readonly left: number
}

/** Cuts a stream into records. */
abstract class Records implements CaptureStream {
  packets = 0
  #rest: Buffer = Buffer.alloc(0)

  push(chunk: Uint8Array): Buffer {
    const bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk])
    const out: Buffer[] = []
    let offset = 0
    for (;;) {
      const length = this.lengthOf(bytes.subarray(offset))
      if (length === undefined || offset + length > bytes.length) break
      out.push(...this.record(bytes.subarray(offset, offset + length)))
      offset += length
    }
    // A copy would be as large, and the chunk would stay in memory.
    this.#rest = Buffer.from(bytes.subarray(offset))
    return Buffer.concat(out)
  }

  get left(): number {
    return this.#rest.length
  }

  /** The length of the record at the start, once that is known. */
  protected abstract lengthOf(bytes: Buffer): number | undefined
  protected abstract record(bytes: Buffer): Buffer[]
}

function unknownFormat(what: string): MeshaccelError {
  return new MeshaccelError(`its output is no ${what}`, {
    code: 'UNKNOWN_FORMAT',
    operation: 'capture packets',
    hint: 'Another program may have the name of tcpdump or dumpcap: run it by hand.',
  })
}

/** Longer than any record of a real capture. */
const LONGEST = 64 << 20

/** The header of a pcap file: link type and time stamps, as pcap-savefile(5) has them. */
interface PcapHeader {
  readonly isLittle: boolean
  readonly isNano: boolean
  readonly snaplen: number
  readonly linkType: number
}

const PCAP_HEADER = 24
const PCAP_PACKET = 16

/** A pcap stream, unchanged. */
export class Pcap extends Records {
  protected header: PcapHeader | undefined

  protected lengthOf(bytes: Buffer): number | undefined {
    if (!this.header) return PCAP_HEADER
    if (bytes.length < PCAP_PACKET) return undefined
    const length = PCAP_PACKET + this.number(bytes, 8)
    if (length > LONGEST) throw unknownFormat('pcap')
    return length
  }

  protected record(bytes: Buffer): Buffer[] {
    if (this.header) {
      this.packets += 1
      return [this.packet(bytes)]
    }
    this.header = pcapHeader(bytes)
    return [this.begin(bytes, this.header)]
  }

  protected begin(bytes: Buffer, _header: PcapHeader): Buffer {
    return bytes
  }

  protected packet(bytes: Buffer): Buffer {
    return bytes
  }

  protected number(bytes: Buffer, offset: number): number {
    return this.header?.isLittle ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset)
  }
}

function pcapHeader(bytes: Buffer): PcapHeader {
  const [little, big] = [bytes.readUInt32LE(0), bytes.readUInt32BE(0)]
  const magics = [0xa1b2c3d4, 0xa1b23c4d]
  if (!magics.includes(little) && !magics.includes(big)) throw unknownFormat('pcap')
  const isLittle = magics.includes(little)
  const number = (offset: number): number =>
    isLittle ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset)
  // The upper half of the last number is about checksums.
  const linkType = number(20) & 0xffff
  return { isLittle, isNano: number(0) === 0xa1b23c4d, snaplen: number(16), linkType }
}

/** The notes of a pcapng file about itself. */
export interface CaptureNotes {
  readonly comment: string
  readonly interfaceName: string
}

/** Options of pcapng blocks: draft-ietf-opsawg-pcapng. */
const COMMENT = 1
const USER_APPLICATION = 4
const INTERFACE_NAME = 2
const TIME_RESOLUTION = 9

/** A pcap stream as pcapng. Both keep the packets as they are. pcapng also says where they come from. */
export class PcapToPcapng extends Pcap {
  readonly #notes: CaptureNotes

  constructor(notes: CaptureNotes) {
    super()
    this.#notes = notes
  }

  protected override begin(_bytes: Buffer, { snaplen, linkType, isNano }: PcapHeader): Buffer {
    const section = Buffer.alloc(16)
    section.writeUInt32LE(0x1a2b3c4d, 0)
    section.writeUInt16LE(1, 4)
    // The length of the section is unknown.
    section.fill(0xff, 8)
    const description = Buffer.alloc(8)
    description.writeUInt16LE(linkType, 0)
    description.writeUInt32LE(snaplen, 4)
    const { comment, interfaceName } = this.#notes
    return Buffer.concat([
      block(
        0x0a0d0d0a,
        section,
        option(COMMENT, comment),
        option(USER_APPLICATION, `meshaccel ${version}`),
        endOfOptions,
      ),
      block(
        1,
        description,
        option(INTERFACE_NAME, interfaceName),
        option(TIME_RESOLUTION, Buffer.of(isNano ? 9 : 6)),
        endOfOptions,
      ),
    ])
  }

  protected override packet(bytes: Buffer): Buffer {
    const [seconds, fraction, captured, length] = [0, 4, 8, 12].map((offset) =>
      this.number(bytes, offset),
    )
    const perSecond = this.header?.isNano ? 1_000_000_000n : 1_000_000n
    const time = BigInt(seconds ?? 0) * perSecond + BigInt(fraction ?? 0)
    const head = Buffer.alloc(20)
    head.writeUInt32LE(Number(time >> 32n), 4)
    head.writeUInt32LE(Number(time & 0xffff_ffffn), 8)
    head.writeUInt32LE(captured ?? 0, 12)
    head.writeUInt32LE(length ?? 0, 16)
    return block(6, head, padded(bytes.subarray(PCAP_PACKET)))
  }
}

function block(type: number, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 12)
  const head = Buffer.alloc(8)
  head.writeUInt32LE(type, 0)
  head.writeUInt32LE(length, 4)
  return Buffer.concat([head, ...parts, head.subarray(4)])
}

function option(code: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  const head = Buffer.alloc(4)
  head.writeUInt16LE(code, 0)
  head.writeUInt16LE(bytes.length, 2)
  return Buffer.concat([head, padded(bytes)])
}

const endOfOptions = Buffer.alloc(4)

function padded(bytes: Buffer): Buffer {
  const over = bytes.length % 4
  return over === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - over)])
}

/** A pcapng stream, unchanged. */
export class Pcapng extends Records {
  #isLittle = true

  protected lengthOf(bytes: Buffer): number | undefined {
    if (bytes.length < 12) return undefined
    if (bytes.readUInt32LE(0) === 0x0a0d0d0a) {
      const order = bytes.readUInt32LE(8)
      if (order !== 0x1a2b3c4d && order !== 0x4d3c2b1a) throw unknownFormat('pcapng')
      this.#isLittle = order === 0x1a2b3c4d
    }
    const length = this.#number(bytes, 4)
    if (length < 12 || length > LONGEST) throw unknownFormat('pcapng')
    return length
  }

  protected record(bytes: Buffer): Buffer[] {
    const type = this.#number(bytes, 0)
    if (type === 6 || type === 3) this.packets += 1
    return [bytes]
  }

  #number(bytes: Buffer, offset: number): number {
    return this.#isLittle ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset)
  }
}
