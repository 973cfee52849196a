/** A reader of BTF, the kernel's type format (Documentation/bpf/btf.rst): only what layouts and globals need. */
import { endianness } from 'node:os'
import { LibbpfError } from './base-error.ts'
import type { Layout } from './codec.ts'
import { checkPointer } from './error.ts'
import * as ffi from './ffi.ts'

const LITTLE = endianness() === 'LE'
const MAGIC = 0xeb9f

const INT = 1
const PTR = 2
const ARRAY = 3
const STRUCT = 4
const UNION = 5
const ENUM = 6
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
  readonly #view: DataView
  readonly #strings: Uint8Array
  /** Where each type begins; index 0 is void. */
  readonly #offsets: number[] = [0]

  /** Reads `.BTF` data in the machine's byte order. */
  constructor(data: Uint8Array) {
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
    this.#strings = data.subarray(strings, strings + this.#u32(20))
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
    const values: Record<string, number> = {}
    for (let index = 0; index < type.vlen; index++) {
      const at = type.body + index * 8
      values[this.#string(this.#u32(at))] = this.#view.getInt32(at + 4, LITTLE)
    }
    return values
  }

  /** Finds a global variable by name, static ones included. */
  findGlobal(name: string): GlobalVariable | undefined {
    for (let id = 1; id < this.#offsets.length; id++) {
      const section = this.#type(id)
      if (section.kind !== DATASEC) continue
      for (let index = 0; index < section.vlen; index++) {
        const at = section.body + index * 12
        if (this.#type(this.#u32(at)).name === name) {
          return { section: section.name, offset: this.#u32(at + 4), size: this.#u32(at + 8) }
        }
      }
    }
    return undefined
  }

  #collect(id: number, base: number, into: Record<string, { offset: number; size: number }>): void {
    const struct = this.#type(this.#unqualified(id))
    for (let index = 0; index < struct.vlen; index++) {
      const at = struct.body + index * 12
      const name = this.#string(this.#u32(at))
      const typeId = this.#u32(at + 4)
      const position = this.#u32(at + 8)
      const bits = struct.kindFlag ? position >>> 24 : 0
      const offset = base + (struct.kindFlag ? position & 0xffffff : position) / 8
      if (name === '') this.#collect(typeId, offset, into)
      else if (bits === 0) into[name] = { offset, size: this.#sizeof(typeId) }
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
    const end = this.#strings.indexOf(0, offset)
    return Buffer.from(this.#strings.subarray(offset, end)).toString('latin1')
  }
}

function kindOf(info: number): number {
  return (info >>> 24) & 0x1f
}

/** The layout of a C struct, to compare a codec with. `source` is an object or the path of its file. */
export function structLayout(source: { readonly btf: Btf } | string, name: string): Layout {
  return (typeof source === 'string' ? Btf.fromFile(source) : source.btf).structLayout(name)
}
