/** A reader of BTF, the kernel's type format (Documentation/bpf/btf.rst): only what layouts and globals need. */
import { LibbpfError } from './base-error.ts'
import type { CMember, CType } from './c-type.ts'
import type { Layout } from './codec.ts'
import { LITTLE } from './constants.ts'
import { checkPointer } from './error.ts'
import * as ffi from './ffi.ts'

const MAGIC = 0xeb9f

const INT = 1
const PTR = 2
const ARRAY = 3
const STRUCT = 4
const UNION = 5
const ENUM = 6
const TYPEDEF = 8
const FUNC_PROTO = 13
const VAR = 14
const DATASEC = 15
const FLOAT = 16
const DECL_TAG = 17
const ENUM64 = 19

/** Bytes after struct btf_type: fixed, and for each of the type's `vlen` elements. */
const TRAILER: Readonly<Record<number, readonly [fixed: number, each: number]>> = {
  [INT]: [4, 0],
  [ARRAY]: [12, 0],
  [STRUCT]: [0, 12],
  [UNION]: [0, 12],
  [ENUM]: [0, 8],
  [FUNC_PROTO]: [0, 8],
  [VAR]: [4, 0],
  [DATASEC]: [0, 12],
  [DECL_TAG]: [4, 0],
  [ENUM64]: [0, 12],
}
const SIZED: ReadonlySet<number> = new Set([INT, STRUCT, UNION, ENUM, DATASEC, FLOAT, ENUM64])
const HEADER_BYTES = 12

interface Type {
  readonly kind: number
  readonly name: string
  readonly vlen: number
  readonly kindFlag: boolean
  /** The size, or the id of the type referred to. */
  readonly sizeOrType: number
  /** Where the elements begin. */
  readonly body: number
}

/** Where a global variable lies in the object. */
export interface GlobalVariable {
  /** `.rodata`, `.data`, `.bss` */
  readonly section: string
  /** From the section's beginning, in bytes. */
  readonly offset: number
  /** In bytes. */
  readonly size: number
}

/** The types of a BPF object or of the kernel. */
export class Btf {
  /** The data as it was read. */
  readonly data: Uint8Array
  readonly #view: DataView
  /** The names: NUL-terminated, one after another. */
  readonly strings: Uint8Array
  /** Where each type begins; index 0 is void. */
  readonly #offsets: number[] = [0]

  /** Reads `.BTF` data in the machine's byte order. */
  constructor(data: Uint8Array) {
    this.data = data
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    if (data.length < 24 || this.#view.getUint16(0, LITTLE) !== MAGIC) {
      throw new LibbpfError('not BTF of this machine', {
        code: 'BAD_BTF',
        operation: 'read BTF',
      })
    }
    const header = this.#u32(4)
    const begin = header + this.#u32(8)
    const end = begin + this.#u32(12)
    const strings = header + this.#u32(16)
    this.strings = data.subarray(strings, strings + this.#u32(20))
    for (let at = begin; at < end;) {
      this.#offsets.push(at)
      const info = this.#u32(at + 4)
      const [fixed, each] = TRAILER[kindOf(info)] ?? [0, 0]
      at += HEADER_BYTES + fixed + each * (info & 0xffff)
    }
  }

  /** Reads the BTF of an ELF object, or a raw BTF file such as /sys/kernel/btf/vmlinux. */
  static fromFile(path: string): Btf {
    const btf = checkPointer(`read BTF of ${path}`, () => ffi.btf__parse(path, null))
    try {
      return Btf.fromPointer(btf)
    } finally {
      ffi.btf__free(btf)
    }
  }

  /** Copies the BTF out of libbpf. */
  static fromPointer(btf: ffi.Ptr<'btf'>): Btf {
    const size = new Uint32Array(1)
    const data = checkPointer('read BTF', () => ffi.btf__raw_data(btf, size))
    const copy = new Uint8Array(size[0] ?? 0)
    ffi.copyFrom(copy, data, copy.length)
    return new Btf(copy)
  }

  /**
   * sizeof a struct or union, and offset and size of each member, in bytes. Members of anonymous structs and unions
   * are listed as the struct's own; bit fields are left out.
   */
  structLayout(name: string): Layout {
    const id = this.#find(name, [STRUCT, UNION])
    const members: Record<string, { offset: number; size: number }> = {}
    this.#collect(id, 0, members)
    return { size: this.#sizeof(id), members }
  }

  /** The names and values of an enum. */
  enumValues(name: string): Readonly<Record<string, number>> {
    const type = this.#type(this.#find(name, [ENUM]))
    return Object.fromEntries(
      [...this.#constantsOf(type)].map(([constant, value]) => [
        constant,
        Number(BigInt.asIntN(32, value)),
      ]),
    )
  }

  /** Finds a global variable by name, static ones included. */
  findGlobal(name: string): GlobalVariable | undefined {
    for (const { name: found, section, offset, size } of this.globals()) {
      if (found === name) return { section, offset, size }
    }
    return undefined
  }

  /** Every global variable, maps (in `.maps`) included. */
  *globals(): Generator<GlobalVariable & { readonly name: string; readonly type: number }> {
    for (let id = 1; id < this.#offsets.length; id++) {
      const section = this.#type(id)
      if (section.kind !== DATASEC) continue
      for (let index = 0; index < section.vlen; index++) {
        const at = section.body + index * 12
        const { name, sizeOrType: type } = this.#type(this.#u32(at))
        const [offset, size] = [this.#u32(at + 4), this.#u32(at + 8)]
        yield { name, type, section: section.name, offset, size }
      }
    }
  }

  /** The number of a struct, a union or an enum. */
  find(what: 'struct' | 'enum', name: string): number {
    return this.#find(name, what === 'enum' ? [ENUM, ENUM64] : [STRUCT, UNION])
  }

  /** The number of the last type; the first has the number 1. */
  get typeCount(): number {
    return this.#offsets.length - 1
  }

  /** The numbers and names of all structs and unions, those without a name included. */
  *structs(): Generator<{ readonly id: number; readonly name: string }> {
    for (let id = 1; id < this.#offsets.length; id++) {
      const kind = kindOf(this.#u32((this.#offsets[id] ?? 0) + 4))
      if (kind === STRUCT || kind === UNION) yield { id, name: this.#type(id).name }
    }
  }

  /** The bytes of a type: a struct btf_type and what follows it. */
  rawType(id: number): Uint8Array {
    const begin = this.#offsets[id] ?? 0
    const info = this.#u32(begin + 4)
    const [fixed, each] = TRAILER[kindOf(info)] ?? [0, 0]
    const end = begin + HEADER_BYTES + fixed + each * (info & 0xffff)
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + begin, end - begin)
  }

  /** The type with this number; const, volatile and their like are those of what they qualify. */
  typeAt(id: number): CType {
    const type = this.#type(id)
    const { name, sizeOrType: size, body } = type
    switch (type.kind) {
      case INT: {
        const encoding = this.#u32(body)
        const flags = encoding >>> 24
        const [isSigned, isBool] = [(flags & 1) !== 0, (flags & 4) !== 0]
        return { kind: 'int', name, size, isSigned, isBool, bits: encoding & 0xff }
      }
      case PTR:
        return { kind: 'pointer', to: size }
      case ARRAY:
        return { kind: 'array', element: this.#u32(body), length: this.#u32(body + 8) }
      case TYPEDEF:
        return { kind: 'typedef', name, of: size }
      case STRUCT:
      case UNION: {
        const kind = type.kind === STRUCT ? 'struct' : 'union'
        return { kind, name, size, members: [...this.#membersOf(type)] }
      }
      case ENUM:
      case ENUM64: {
        const constants = [...this.#constantsOf(type)]
        const isCut = type.kind === ENUM && size > 4
        return { kind: 'enum', name, size, isSigned: type.kindFlag, isCut, constants }
      }
      default: {
        const inner = this.#unqualified(id)
        return inner === id ? { kind: 'other', name, size: this.#sizeof(id) } : this.typeAt(size)
      }
    }
  }

  #collect(id: number, base: number, into: Record<string, { offset: number; size: number }>): void {
    for (const { name, type, bitOffset, bits } of this.#membersOf(
      this.#type(this.#unqualified(id)),
    )) {
      const offset = base + bitOffset / 8
      if (name === '') this.#collect(type, offset, into)
      else if (bits === 0) into[name] = { offset, size: this.#sizeof(type) }
    }
  }

  *#membersOf({ vlen, body, kindFlag }: Type): Generator<CMember> {
    for (let at = body; at < body + vlen * 12; at += 12) {
      const position = this.#u32(at + 8)
      yield {
        name: this.#string(this.#u32(at)),
        type: this.#u32(at + 4),
        bitOffset: kindFlag ? position & 0xffffff : position,
        bits: kindFlag ? position >>> 24 : 0,
      }
    }
  }

  /** Values are unsigned unless the enum has negative ones. */
  *#constantsOf({ kind, vlen, body, kindFlag }: Type): Generator<[name: string, value: bigint]> {
    const bytes = kind === ENUM64 ? 12 : 8
    for (let at = body; at < body + vlen * bytes; at += bytes) {
      const high = kind === ENUM64 ? BigInt(this.#u32(at + 8)) << 32n : 0n
      const value = high | BigInt(this.#u32(at + 4))
      const signed = BigInt.asIntN(kind === ENUM64 ? 64 : 32, value)
      yield [this.#string(this.#u32(at)), kindFlag ? signed : value]
    }
  }

  #sizeof(id: number): number {
    const type = this.#type(this.#unqualified(id))
    if (type.kind === PTR) return 8
    if (type.kind === ARRAY) return this.#sizeof(this.#u32(type.body)) * this.#u32(type.body + 8)
    return SIZED.has(type.kind) ? type.sizeOrType : 0
  }

  /** Follows typedefs, const, volatile, restrict, type tags and variables to the type itself. */
  #unqualified(id: number): number {
    let at = id
    for (;;) {
      const { kind, sizeOrType } = this.#type(at)
      if (at === 0 || kind === PTR || kind === ARRAY || SIZED.has(kind)) return at
      at = sizeOrType
    }
  }

  #find(name: string, kinds: readonly number[]): number {
    for (let id = 1; id < this.#offsets.length; id++) {
      const type = this.#type(id)
      if (kinds.includes(type.kind) && type.name === name) return id
    }
    throw new LibbpfError('there is no such type', {
      code: 'NO_SUCH_TYPE',
      operation: `find type ${name} in BTF`,
      hint: 'The compiler keeps only types that are used: use it in a map, a global or a function.',
    })
  }

  #type(id: number): Type {
    const at = this.#offsets[id] ?? 0
    if (id === 0) {
      return { kind: 0, name: '', vlen: 0, kindFlag: false, sizeOrType: 0, body: 0 }
    }
    const info = this.#u32(at + 4)
    return {
      kind: kindOf(info),
      name: this.#string(this.#u32(at)),
      vlen: info & 0xffff,
      kindFlag: info >>> 31 === 1,
      sizeOrType: this.#u32(at + 8),
      body: at + HEADER_BYTES,
    }
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, LITTLE)
  }

  #string(offset: number): string {
    const end = this.strings.indexOf(0, offset)
    return Buffer.from(this.strings.subarray(offset, end)).toString('latin1')
  }
}

function kindOf(info: number): number {
  return (info >>> 24) & 0x1f
}

/** The layout of a C struct, to compare a codec with. `source` is an object or the path of its file. */
export function structLayout(source: { readonly btf: Btf } | string, name: string): Layout {
  return (typeof source === 'string' ? Btf.fromFile(source) : source.btf).structLayout(name)
}
