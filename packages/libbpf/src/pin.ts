/** Pins: names in bpffs that keep a map, a program or a link alive without its process. */
import { readFileSync, unlinkSync } from 'node:fs'
import { check, checkNode } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd } from './handle.ts'
import { mapInfo, type ProgramInfo, programInfo } from './info.ts'

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

/** The object that is pinned at the path, by its name in the kernel: a map's or a program's own, a link's is its program's. */
export function inspectPin(path: string): { kind: 'map' | 'program' | 'link'; name: string } {
  using fd = openPin('pin', path)
  const about = readFileSync(`/proc/self/fdinfo/${fd.number}`, 'utf8')
  if (about.includes('map_type:')) return { kind: 'map', name: mapInfo(fd).name }
  if (!about.includes('link_type:')) return { kind: 'program', name: programInfo(fd).name }
  const id = Number(/^prog_id:\s*(\d+)$/m.exec(about)?.[1] ?? 0)
  return { kind: 'link', name: programById(id)?.name ?? '' }
}

function programById(id: number): ProgramInfo | undefined {
  const number = ffi.bpf_prog_get_fd_by_id(id)
  if (number < 0) return undefined
  using fd = new Fd(number, `program ${id}`)
  return programInfo(fd)
}
