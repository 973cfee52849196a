/** How a value of a map or of a global lies in memory, in the byte order of the machine unless the name says `Be`. */

import { LITTLE } from './constants.ts'

/** Writes and reads values of one fixed-size C type. */
export interface Codec<T> {
  /** sizeof, in bytes */
  readonly size: number
  /** alignof, in bytes */
  readonly align: number
  /** Writes all `size` bytes. Throws a RangeError when the value does not fit. */
  encode(value: T, view: DataView, offset: number): void
  /** Returns a copy: later changes of the memory do not show. */
  decode(view: DataView, offset: number): T
}

/** The type that a codec stands for. */
export type Decoded<C> = C extends Codec<infer T> ? T : never

function number(
  size: 1 | 2 | 4,
  get: (view: DataView, offset: number) => number,
  set: (view: DataView, offset: number, value: number) => void,
): Codec<number> {
  return {
    size,
    align: size,
    encode: (value, view, offset) => set(view, offset, value),
    decode: get,
  }
}

/** `__u8` */
export const u8: Codec<number> = number(
  1,
  (view, offset) => view.getUint8(offset),
  (view, offset, value) => view.setUint8(offset, value),
)
/** `__u16` */
export const u16: Codec<number> = number(
  2,
  (view, offset) => view.getUint16(offset, LITTLE),
  (view, offset, value) => view.setUint16(offset, value, LITTLE),
)
/** Network byte order, such as a port in a socket address. */
export const u16Be: Codec<number> = number(
  2,
  (view, offset) => view.getUint16(offset),
  (view, offset, value) => view.setUint16(offset, value),
)
/** `__u32` */
export const u32: Codec<number> = number(
  4,
  (view, offset) => view.getUint32(offset, LITTLE),
  (view, offset, value) => view.setUint32(offset, value, LITTLE),
)
/** Network byte order, such as an IPv4 address. */
export const u32Be: Codec<number> = number(
  4,
  (view, offset) => view.getUint32(offset),
  (view, offset, value) => view.setUint32(offset, value),
)
/** `__s32` */
export const i32: Codec<number> = number(
  4,
  (view, offset) => view.getInt32(offset, LITTLE),
  (view, offset, value) => view.setInt32(offset, value, LITTLE),
)
/** `__s8` */
export const i8: Codec<number> = number(
  1,
  (view, offset) => view.getInt8(offset),
  (view, offset, value) => view.setInt8(offset, value),
)
/** `__s16` */
export const i16: Codec<number> = number(
  2,
  (view, offset) => view.getInt16(offset, LITTLE),
  (view, offset, value) => view.setInt16(offset, value, LITTLE),
)
/** `__u64` */
export const u64: Codec<bigint> = {
  size: 8,
  align: 8,
  encode: (value, view, offset) => view.setBigUint64(offset, value, LITTLE),
  decode: (view, offset) => view.getBigUint64(offset, LITTLE),
}
/** `__be64`: network byte order. */
export const u64Be: Codec<bigint> = {
  size: 8,
  align: 8,
  encode: (value, view, offset) => view.setBigUint64(offset, value),
  decode: (view, offset) => view.getBigUint64(offset),
}
/** `__s64` */
export const i64: Codec<bigint> = {
  size: 8,
  align: 8,
  encode: (value, view, offset) => view.setBigInt64(offset, value, LITTLE),
  decode: (view, offset) => view.getBigInt64(offset, LITTLE),
}
/** C's bool: one byte. */
export const bool: Codec<boolean> = {
  size: 1,
  align: 1,
  encode: (value, view, offset) => view.setUint8(offset, value ? 1 : 0),
  decode: (view, offset) => view.getUint8(offset) !== 0,
}

/** `__u8 name[size]`. Shorter values are filled up with zeroes, longer ones refused. */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    size,
    align: 1,
    encode(value, view, offset) {
      if (value.length > size) throw new RangeError(`${value.length} bytes do not fit into ${size}`)
      const target = new Uint8Array(view.buffer, view.byteOffset + offset, size)
      target.fill(0).set(value)
    },
    decode: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
  }
}

/** `char name[size]`: UTF-8 up to the first NUL; what does not fit with its NUL is refused. */
export function text(size: number): Codec<string> {
  const raw = bytes(size)
  return {
    size,
    align: 1,
    encode(value, view, offset) {
      const encoded = Buffer.from(value, 'utf8')
      if (encoded.length >= size) throw new RangeError(`"${value}" does not fit into char[${size}]`)
      raw.encode(encoded, view, offset)
    },
    decode(view, offset) {
      let length = 0
      while (length < size && view.getUint8(offset + length) !== 0) length += 1
      if (length === 0) return ''
      return Buffer.from(view.buffer, view.byteOffset + offset, length).toString('utf8')
    },
  }
}

/** `type name[length]`. */
export function array<T>(element: Codec<T>, length: number): Codec<T[]> {
  return {
    size: element.size * length,
    align: element.align,
    encode(values, view, offset) {
      if (values.length !== length) {
        throw new RangeError(`${values.length} elements where ${length} are wanted`)
      }
      for (const [index, value] of values.entries()) {
        element.encode(value, view, offset + index * element.size)
      }
    },
    decode: (view, offset) =>
      Array.from({ length }, (_, index) => element.decode(view, offset + index * element.size)),
  }
}

/** Where the members of a struct or union lie. */
export interface Layout {
  /** sizeof, in bytes */
  readonly size: number
  /** By name; offset and size in bytes. */
  readonly members: Readonly<Record<string, { readonly offset: number; readonly size: number }>>
}

/** A codec that can say where each member lies, to be compared with the C struct's BTF (`structLayout`). */
export interface StructCodec<T> extends Codec<T>, Layout {
  readonly members: Readonly<Record<keyof T & string, Layout['members'][string]>>
}

/**
 * A C struct with natural alignment: members in order, padded as C pads them. Padding is written as zeroes, because
 * the kernel compares hash keys byte by byte.
 */
export function struct<T extends object>(members: {
  readonly [Name in keyof T]: Codec<T[Name]>
}): StructCodec<T> {
  const placed: Placed<T>[] = []
  let end = 0
  let align = 1
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type has no other keys
  for (const name of Object.keys(members) as (keyof T & string)[]) {
    const codec = members[name]
    const offset = roundUp(end, codec.align)
    placed.push({ name, codec, offset })
    end = offset + codec.size
    align = Math.max(align, codec.align)
  }
  return placedStruct(roundUp(end, align), align, placed)
}

/** A C struct whose members do not lie where `struct` would put them: packed, aligned, or with members left out. */
export function structAt<T extends object>(
  size: number,
  members: { readonly [Name in keyof T]: readonly [offset: number, codec: Codec<T[Name]>] },
): StructCodec<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type has no other keys
  const names = Object.keys(members) as (keyof T & string)[]
  const placed = names.map((name): Placed<T> => {
    const [offset, codec] = members[name]
    return { name, codec, offset }
  })
  return placedStruct(size, 1, placed)
}

interface Placed<T> {
  readonly name: keyof T & string
  readonly codec: Codec<T[keyof T & string]>
  readonly offset: number
}

function placedStruct<T extends object>(
  size: number,
  align: number,
  placed: readonly Placed<T>[],
): StructCodec<T> {
  return {
    size,
    align,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every member was placed
    members: Object.fromEntries(
      placed.map(({ name, codec, offset }) => [name, { offset, size: codec.size }]),
    ) as StructCodec<T>['members'],
    encode(value, view, offset) {
      new Uint8Array(view.buffer, view.byteOffset + offset, size).fill(0)
      for (const member of placed) {
        member.codec.encode(value[member.name], view, offset + member.offset)
      }
    },
    decode(view, offset) {
      const value: Partial<T> = {}
      for (const member of placed) {
        value[member.name] = member.codec.decode(view, offset + member.offset)
      }
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every member has been set
      return value as T
    },
  }
}

/** The next multiple of a number that is not below the value. */
export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
