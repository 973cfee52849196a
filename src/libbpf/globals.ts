/** Global variables of a BPF object, by name. */
import { MeshaccelError } from '../errors.ts'
import type { Btf } from './btf.ts'
import type { Codec } from './codec.ts'
import { checkPointer } from './error.ts'
import * as ffi from './ffi.ts'

/** Where the variable lies in this process's memory, checked to have the codec's size. */
function locate(object: ffi.Ptr<'bpf_object'>, btf: Btf, name: string, size: number): Location {
  const variable = btf.findGlobal(name)
  if (variable === undefined) {
    throw new MeshaccelError('the object has no such global variable', {
      code: 'NO_SUCH_GLOBAL',
      operation: `find global ${name}`,
      hint: 'Declare it `const volatile` (or plain, for .data and .bss) and use it in a program.',
    })
  }
  if (variable.size !== size) {
    throw new MeshaccelError(`it has ${variable.size} bytes, the codec has ${size}`, {
      code: 'LAYOUT',
      operation: `find global ${name}`,
    })
  }
  const map = checkPointer(`find ${variable.section}`, () =>
    ffi.bpf_object__find_map_by_name(object, variable.section),
  )
  const bytes = new BigUint64Array(1)
  const data = checkPointer(`read ${variable.section}`, () =>
    ffi.bpf_map__initial_value(map, bytes),
  )
  if (variable.offset + size > Number(bytes[0])) {
    throw new MeshaccelError('it lies outside of its section', {
      code: 'LAYOUT',
      operation: `find global ${name}`,
    })
  }
  return { address: data + BigInt(variable.offset), section: variable.section }
}

interface Location {
  readonly address: bigint
  readonly section: string
}

export function readGlobal<T>(
  object: ffi.Ptr<'bpf_object'>,
  btf: Btf,
  name: string,
  codec: Codec<T>,
): T {
  const { address } = locate(object, btf, name, codec.size)
  const buffer = new Uint8Array(codec.size)
  ffi.copyFrom(buffer, address, codec.size)
  return codec.decode(new DataView(buffer.buffer), 0)
}

export function writeGlobal<T>(
  object: ffi.Ptr<'bpf_object'>,
  btf: Btf,
  name: string,
  codec: Codec<T>,
  value: T,
  state: 'open' | 'loaded',
): void {
  const { address, section } = locate(object, btf, name, codec.size)
  if (state === 'loaded' && section.startsWith('.rodata')) {
    // The page is mapped read-only by now: writing would end the process.
    throw new MeshaccelError('it is constant once the object is loaded', {
      code: 'READ_ONLY',
      operation: `set global ${name}`,
      hint: 'Set it on the OpenObject, before load().',
    })
  }
  const buffer = new Uint8Array(codec.size)
  codec.encode(value, new DataView(buffer.buffer), 0)
  ffi.copyTo(address, buffer, codec.size)
}
