/** Gives the types of a BTF file the numbers that they have in the kernel's BTF. */
import { LibbpfError } from '../base-error.ts'
import { Btf } from '../btf.ts'
import { LITTLE } from '../constants.ts'

const PTR = 2
const ARRAY = 3
const STRUCT = 4
const UNION = 5
const CONST = 10
const FUNC_PROTO = 13
const DATASEC = 15
/** Kinds whose third word is a type: pointers, typedefs and what qualifies, functions, variables and tags. */
const REFERS: ReadonlySet<number> = new Set([PTR, 8, 9, CONST, 11, 12, 14, 17, 18, FUNC_PROTO])
/** Kinds with elements: the bytes of one, and where in it the type is. */
const ELEMENTS: Readonly<Record<number, readonly [bytes: number, type: number]>> = {
  [STRUCT]: [12, 4],
  [UNION]: [12, 4],
  [FUNC_PROTO]: [8, 4],
  [DATASEC]: [12, 0],
}
const TYPE_BYTES = 12

/**
 * The file's types as BTF in which each struct and union has its number of the kernel's BTF. Programs that name a type to
 * the kernel (`bpf_core_type_id_kernel`) can then be relocated against it. The numbers between are empty types.
 *
 * Throws a LibbpfError with code `BTF_OF_ANOTHER_KERNEL` if the kernel has no such struct with the same size and members.
 */
export function withKernelNumbers(file: Btf, kernel: Btf): Uint8Array {
  if (Buffer.compare(file.data, kernel.data) === 0) return kernel.data
  const numbers = numbersOf(file, kernel)
  const at = new Map([...numbers].map(([own, number]) => [number, own]))
  const parts: Uint8Array[] = []
  let last = 0
  for (const number of numbers.values()) last = Math.max(last, number)
  for (let number = 1; number <= last; number++) {
    const own = at.get(number)
    parts.push(own === undefined ? EMPTY : renumbered(file.rawType(own), numbers))
  }
  const types = Buffer.concat(parts)
  const header = new DataView(new ArrayBuffer(24))
  header.setUint16(0, 0xeb9f, LITTLE)
  header.setUint8(2, 1)
  header.setUint32(4, 24, LITTLE)
  header.setUint32(12, types.length, LITTLE)
  header.setUint32(16, types.length, LITTLE)
  header.setUint32(20, file.strings.length, LITTLE)
  return Buffer.concat([new Uint8Array(header.buffer), types, file.strings])
}

/** `const void`, which no search finds, because it has no name. */
const EMPTY = new Uint8Array(TYPE_BYTES)
new DataView(EMPTY.buffer).setUint32(4, CONST << 24, LITTLE)

/** The new number of each of the file's types. */
function numbersOf(file: Btf, kernel: Btf): Map<number, number> {
  const structs = [...file.structs()]
  const wanted = new Set(structs.map(({ name }) => name))
  const ofName = new Map<string, number[]>()
  for (const { id, name } of kernel.structs()) {
    if (!wanted.has(name)) continue
    const found = ofName.get(name)
    if (found) found.push(id)
    else ofName.set(name, [id])
  }
  const numbers = new Map<number, number>()
  const taken = new Set<number>()
  for (const { name, id } of structs) {
    if (name === '') continue
    const same = (ofName.get(name) ?? []).filter((one) => fits(file, id, kernel, one))
    if (same.length === 0) throw anotherKernel(name)
    // A file may have a struct twice, and the kernel once.
    const free = same.find((one) => !taken.has(one))
    if (free === undefined) continue
    taken.add(free)
    numbers.set(id, free)
  }
  let next = 1
  for (let id = 1; id <= file.typeCount; id++) {
    if (numbers.has(id)) continue
    while (taken.has(next)) next++
    numbers.set(id, next++)
  }
  return numbers
}

/** Whether the kernel's struct has this size and these members, each at its place. A minimal file lacks most members. */
function fits(file: Btf, id: number, kernel: Btf, kernelId: number): boolean {
  const [own, its] = [file.typeAt(id), kernel.typeAt(kernelId)]
  if (!('members' in own && 'members' in its)) return false
  if (own.kind !== its.kind || own.size !== its.size) return false
  const places = new Set(its.members.map(placeOf))
  return own.members.every((member) => places.has(placeOf(member)))
}

const placeOf = ({
  name,
  bitOffset,
  bits,
}: {
  readonly name: string
  readonly bitOffset: number
  readonly bits: number
}): string => `${name} ${bitOffset} ${bits}`

const anotherKernel = (struct: string): LibbpfError =>
  new LibbpfError(`the kernel has another struct ${struct}`, {
    code: 'BTF_OF_ANOTHER_KERNEL',
    operation: 'compare the BTF file with the kernel',
    hint: 'Give a file that was made from exactly this kernel.',
  })

/** A copy of the type with the new numbers of the types that it refers to. */
function renumbered(type: Uint8Array, numbers: ReadonlyMap<number, number>): Uint8Array {
  const copy = type.slice()
  const view = new DataView(copy.buffer)
  const replace = (at: number): void => {
    view.setUint32(at, numbers.get(view.getUint32(at, LITTLE)) ?? 0, LITTLE)
  }
  const info = view.getUint32(4, LITTLE)
  const kind = (info >>> 24) & 0x1f
  if (REFERS.has(kind)) replace(8)
  if (kind === ARRAY) for (const at of [0, 4]) replace(TYPE_BYTES + at)
  const elements = ELEMENTS[kind]
  if (!elements) return copy
  const [bytes, place] = elements
  for (let index = 0; index < (info & 0xffff); index++) {
    replace(TYPE_BYTES + index * bytes + place)
  }
  return copy
}
