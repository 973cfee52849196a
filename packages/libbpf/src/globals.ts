/** Global variables of a BPF object, by name. */
import { LibbpfError } from './base-error.ts'
import type { Btf, GlobalVariable } from './btf.ts'
import type { Codec } from './codec.ts'
import { check, checkPointer } from './error.ts'
import * as ffi from './ffi.ts'

interface Section {
  readonly variable: GlobalVariable
  readonly map: ffi.Ptr<'bpf_map'>
  /** The section's content before the load; libbpf makes it the map's value. */
  readonly initial: ffi.Ptr<'data'>
  readonly size: number
}

/** Finds the variable and checks that the codec has its size. */
function locate(
  object: ffi.Ptr<'bpf_object'>,
  btf: Btf,
  name: string,
  codec: { readonly size: number },
): Section {
  const operation = `find global ${name}`
  const variable = btf.findGlobal(name)
  if (variable === undefined) {
    throw new LibbpfError('the object has no such global variable', {
      code: 'NO_SUCH_GLOBAL',
      operation,
      hint: 'Declare it `const volatile` (or `volatile`, for .data and .bss) and use it in a program.',
    })
  }
  if (variable.size !== codec.size) {
    throw new LibbpfError(`it has ${variable.size} bytes, the codec has ${codec.size}`, {
      code: 'LAYOUT',
      operation,
    })
  }
  const map = checkPointer(operation, () =>
    ffi.bpf_object__find_map_by_name(object, variable.section),
  )
  const bytes = new BigUint64Array(1)
  const initial = checkPointer(operation, () => ffi.bpf_map__initial_value(map, bytes))
  const size = Number(bytes[0])
  if (variable.offset + variable.size > size) {
    throw new LibbpfError('it lies outside of its section', { code: 'LAYOUT', operation })
  }
  return { variable, map, initial, size }
}

/** The value that the variable will have at the load. */
export function readInitial<T>(
  object: ffi.Ptr<'bpf_object'>,
  btf: Btf,
  name: string,
  codec: Codec<T>,
): T {
  const { variable, initial } = locate(object, btf, name, codec)
  const buffer = new Uint8Array(variable.size)
  ffi.copyFrom(buffer, initial + BigInt(variable.offset), buffer.length)
  return codec.decode(new DataView(buffer.buffer), 0)
}

/** Sets the value that the variable will have at the load. */
export function writeInitial<T>(
  object: ffi.Ptr<'bpf_object'>,
  btf: Btf,
  name: string,
  codec: Codec<T>,
  value: T,
): void {
  const { variable, initial } = locate(object, btf, name, codec)
  const buffer = new Uint8Array(variable.size)
  codec.encode(value, new DataView(buffer.buffer), 0)
  ffi.copyTo(initial + BigInt(variable.offset), buffer, buffer.length)
}

/**
 * The value that the variable has in the kernel. Not from the initial value: libbpf before 1.5 does not map it to
 * the kernel's.
 */
export function readLoaded<T>(
  object: ffi.Ptr<'bpf_object'>,
  btf: Btf,
  name: string,
  codec: Codec<T>,
): T {
  const { variable, map, size } = locate(object, btf, name, codec)
  const section = new Uint8Array(size)
  check(`read global ${name}`, () =>
    ffi.bpf_map_lookup_elem(ffi.bpf_map__fd(map), new Uint32Array(1), section),
  )
  return codec.decode(new DataView(section.buffer), variable.offset)
}
