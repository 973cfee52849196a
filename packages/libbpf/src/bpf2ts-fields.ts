/** From the types of C to codecs and types of TypeScript, as text. */

import { LibbpfError } from './base-error.ts'
import { camelCase, codecName, isPadding, pascalCase } from './bpf2ts-names.ts'
import type { Btf } from './btf.ts'
import type { CMember, CType } from './c-type.ts'
import { roundUp } from './codec.ts'

/** A type of C in TypeScript. */
export interface Written {
  readonly codec: string
  readonly type: string
  readonly size: number
  /** That of the codec: where it differs from C's, members are placed one by one. */
  readonly align: number
}

export interface Field {
  readonly name: string
  readonly offset: number
  readonly written: Written
}

/** Facts about fields that BTF lacks: `port`, or `flow_end.port` of one struct. */
export interface FieldOptions {
  /** In network byte order. A type that is called `__be16`, `__be32` or `__be64` is so without being named. */
  readonly bigEndian?: readonly string[]
  /** Raw bytes, whatever their type is. */
  readonly bytes?: readonly string[]
}

/** Where a type is met: of which struct, which field. */
interface Place {
  readonly struct: string
  readonly field: string
}

type Int = Extract<CType, { kind: 'int' }>

export class Fields {
  readonly #btf: Btf
  readonly #options: Required<FieldOptions>
  readonly #used = new Set<string>()
  readonly #imports: Set<string>
  /** Hears of a struct or enum that a field has. */
  readonly #met: (kind: 'struct' | 'enum', id: number) => void

  constructor(
    btf: Btf,
    { bigEndian = [], bytes = [] }: FieldOptions,
    imports: Set<string>,
    met: (kind: 'struct' | 'enum', id: number) => void,
  ) {
    this.#btf = btf
    this.#options = { bigEndian, bytes }
    this.#imports = imports
    this.#met = met
  }

  /** The members of a struct; padding is left out, those of anonymous structs are its own. */
  of(struct: string, members: readonly CMember[], base = 0): Field[] {
    const fields = members.flatMap((member): Field[] => {
      const place = { struct, field: member.name }
      this.#assertWhole(place, member)
      const offset = base + member.bitOffset / 8
      if (member.name !== '') {
        if (isPadding(member.name)) return []
        return [{ name: camelCase(member.name), offset, written: this.write(member.type, place) }]
      }
      const inner = this.#resolve(member.type)
      if (inner.kind === 'struct') return this.of(struct, inner.members, offset)
      const name = this.#namesIn(member.type).join('Or')
      return [{ name, offset, written: this.write(member.type, place) }]
    })
    const twice = fields.find(({ name }, at) => fields.findIndex((f) => f.name === name) !== at)
    if (twice !== undefined && base === 0) {
      throw refused(
        `two fields would be called ${twice.name}`,
        { struct, field: twice.name },
        {
          code: 'NAME_CLASH',
          hint: 'Rename one of them in C.',
        },
      )
    }
    return fields
  }

  /** The type, and the codec that reads and writes it. */
  write(id: number, place: Place, isBigEndian: boolean = this.#is('bigEndian', place)): Written {
    if (this.#is('bytes', place)) return this.#bytes(this.#sizeOf(id))
    const type = this.#btf.typeAt(id)
    switch (type.kind) {
      case 'typedef':
        return this.write(type.of, place, isBigEndian || /^__be(?:16|32|64)$/.test(type.name))
      case 'int':
        return this.#int(type, place, isBigEndian)
      case 'pointer':
        return this.#named('u64', 'bigint', 8)
      case 'enum':
        if (type.name !== '') this.#met('enum', id)
        return this.#int(
          { ...type, kind: 'int', isBool: false, bits: type.size * 8 },
          place,
          isBigEndian,
        )
      case 'array':
        return this.#array(type, place, isBigEndian)
      case 'union':
        return this.#bytes(type.size)
      case 'struct': {
        if (type.name === '') return this.#inline(type, place)
        this.#met('struct', id)
        const { align } = this.layout(type.size, this.of(type.name, type.members))
        const codec = codecName(type.name)
        return { codec, type: `${pascalCase(type.name)}Record`, size: type.size, align }
      }
      case 'other':
    }
    throw refused(`${type.name || 'its type'} has no codec`, place, {
      code: 'NO_CODEC',
      hint: 'Floating point and types without a size cannot be written: name it with --bytes, or change it in C.',
    })
  }

  /** The codec of a struct as text: where C's rules do not place its members, with their offsets. */
  layout(
    size: number,
    fields: readonly Field[],
    isInline = false,
  ): Pick<Written, 'codec' | 'align'> {
    const align = Math.max(1, ...fields.map(({ written }) => written.align))
    let end = 0
    const natural = fields.every(({ offset, written }) => {
      const at = roundUp(end, written.align)
      end = at + written.size
      return at === offset
    })
    const isNatural = natural && roundUp(end, align) === size
    this.#imports.add(isNatural ? 'struct' : 'structAt')
    const members = fields.map(({ name, offset, written: { codec } }) =>
      isNatural ? `${name}: ${codec}` : `${name}: [${offset}, ${codec}]`,
    )
    const inside = isInline
      ? `{ ${members.join(', ')} }`
      : `{\n${members.map((member) => `  ${member},\n`).join('')}}`
    return {
      codec: isNatural ? `struct(${inside})` : `structAt(${size}, ${inside})`,
      align: isNatural ? align : 1,
    }
  }

  /** Options that name no field that was written: they are misspelt. */
  unused(): string[] {
    return Object.values(this.#options)
      .flat()
      .filter((name) => !this.#used.has(name))
  }

  #is(option: keyof FieldOptions, { struct, field }: Place): boolean {
    const found = [field, `${struct}.${field}`].filter((name) =>
      this.#options[option].includes(name),
    )
    for (const name of found) this.#used.add(name)
    return found.length > 0
  }

  #int({ name, size, isSigned, isBool }: Int, place: Place, isBigEndian: boolean): Written {
    if (isBool) return this.#named('bool', 'boolean', 1)
    if (size > 8) {
      throw refused(`${name} has ${size} bytes, a codec at most 8`, place, {
        code: 'NO_CODEC',
        hint: 'Name it with --bytes.',
      })
    }
    const swapped = isBigEndian && size > 1
    if (swapped && isSigned) {
      throw refused(`${name} is signed, and no codec is in network byte order`, place, {
        code: 'NO_CODEC',
        hint: 'Make it unsigned in C.',
      })
    }
    const codec = `${isSigned ? 'i' : 'u'}${size * 8}${swapped ? 'Be' : ''}`
    return this.#named(codec, size === 8 ? 'bigint' : 'number', size)
  }

  #array(
    { element, length }: Extract<CType, { kind: 'array' }>,
    place: Place,
    isBigEndian: boolean,
  ): Written {
    const inner = this.#resolve(element)
    if (inner.kind === 'int' && inner.size === 1 && !inner.isBool) {
      if (inner.name === 'char') return this.#text(length)
      if (!inner.isSigned) return this.#bytes(length)
    }
    const { codec, type, size, align } = this.write(element, place, isBigEndian)
    this.#imports.add('array')
    const of = type.startsWith('{') ? `(${type})[]` : `${type}[]`
    return { codec: `array(${codec}, ${length})`, type: of, size: size * length, align }
  }

  #inline(
    { size, members }: Extract<CType, { members: unknown }>,
    { struct, field }: Place,
  ): Written {
    const fields = this.of(`${struct}.${field}`, members)
    const { codec, align } = this.layout(size, fields, true)
    const type = `{ ${fields.map(({ name, written }) => `${name}: ${written.type}`).join('; ')} }`
    return { codec, type, size, align }
  }

  #named(codec: string, type: string, size: number): Written {
    this.#imports.add(codec)
    return { codec, type, size, align: size }
  }

  #bytes(size: number): Written {
    this.#imports.add('bytes')
    return { codec: `bytes(${size})`, type: 'Uint8Array', size, align: 1 }
  }

  #text(size: number): Written {
    this.#imports.add('text')
    return { codec: `text(${size})`, type: 'string', size, align: 1 }
  }

  #assertWhole(place: Place, { type, bitOffset, bits }: CMember): void {
    const inner = this.#resolve(type)
    const narrow = inner.kind === 'int' && inner.bits !== inner.size * 8 && !inner.isBool
    if (bits === 0 && bitOffset % 8 === 0 && !narrow) return
    throw refused('it is a bit field, which no codec reads', place, {
      code: 'BIT_FIELD',
      hint: 'Make it a whole integer in C, with masks for its bits.',
    })
  }

  /** The type at the end of a chain of typedefs. */
  #resolve(id: number): CType {
    const type = this.#btf.typeAt(id)
    return type.kind === 'typedef' ? this.#resolve(type.of) : type
  }

  #sizeOf(id: number): number {
    const type = this.#resolve(id)
    if (type.kind === 'array') return type.length * this.#sizeOf(type.element)
    return type.kind === 'pointer' ? 8 : 'size' in type ? type.size : 0
  }

  /** The names of what lies in an anonymous union. */
  #namesIn(id: number): string[] {
    const type = this.#resolve(id)
    if (!('members' in type)) return []
    return type.members.flatMap(({ name, type: inner }, at) => {
      const names = name === '' ? this.#namesIn(inner) : [name]
      return names.map((one) => (at === 0 ? camelCase(one) : pascalCase(one)))
    })
  }
}

function refused(
  reason: string,
  { struct, field }: Place,
  details: { readonly code: string; readonly hint: string },
): LibbpfError {
  return new LibbpfError(reason, { ...details, operation: `write ${struct}.${field}` })
}
