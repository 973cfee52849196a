/** The version of the loaded libbpf.so.1. */
import { LibbpfError } from './base-error.ts'
import * as ffi from './ffi.ts'

/** The version of libbpf.so.1 that is loaded, such as 1 and 5. Throws `NO_LIBRARY` when there is none. */
export function libbpfVersion(): { readonly major: number; readonly minor: number } {
  return { major: ffi.libbpf_major_version(), minor: ffi.libbpf_minor_version() }
}

/** Throws `LIBBPF_TOO_OLD` when the library is older than this version; `what` is a plural that needs it. */
export function requireLibbpf(operation: string, what: string, major: number, minor: number): void {
  const found = libbpfVersion()
  if (found.major > major || (found.major === major && found.minor >= minor)) return
  throw new LibbpfError(`libbpf ${found.major}.${found.minor} is too old`, {
    code: 'LIBBPF_TOO_OLD',
    operation,
    hint: `${what} need libbpf ${major}.${minor}: install a newer libbpf.so.1.`,
  })
}
