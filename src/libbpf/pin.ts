/** Pins: names in bpffs that keep a map, a program or a link alive without its process. */
import { unlinkSync } from 'node:fs'
import { check, checkNode } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd } from './handle.ts'

/** Pins at a path on bpffs, whose directory exists and where nothing is yet (EEXIST). */
export function pinFd(fd: Fd, path: string): void {
  check(`pin ${fd.what} at ${path}`, () => ffi.bpf_obj_pin(fd.number, path), {
    EPERM: 'The path must be on bpffs (mount -t bpf bpf /sys/fs/bpf), and CAP_BPF is needed.',
    ENOENT: 'Make the directory first.',
  })
}

/** Removes a pin, whatever it holds. Nothing there is no error. */
export function unpin(path: string): void {
  try {
    checkNode(`unpin ${path}`, () => unlinkSync(path))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
}

/** Opens what is pinned at the path: a descriptor of its own. */
export function openPin(what: string, path: string): Fd {
  return new Fd(
    check(`open ${what} pinned at ${path}`, () => ffi.bpf_obj_get(path)),
    `${what} of ${path}`,
  )
}
