/** The kernel's own BTF where /sys/kernel/btf/vmlinux cannot be read: from the kernel's list of BTF objects. */
import { closeSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { LibbpfError } from '../base-error.ts'
import { text } from '../codec.ts'
import { LITTLE, PROGRAM_TYPES } from '../constants.ts'
import { BpfError, check, checkLibc, checkNode } from '../error.ts'
import * as ffi from '../ffi.ts'
import { Fd } from '../handle.ts'
import { openFd } from '../libc.ts'

/** The file from which libbpf takes the kernel's types. */
export const KERNEL_BTF_PATH = '/sys/kernel/btf/vmlinux'

const CLONE_NEWNS = 0x20000
const MS_REC = 0x4000
const MS_PRIVATE = 0x40000
const ENOENT = 2
/** struct bpf_btf_info: the data, its size, the id, the name, its size, and whether it is the kernel's. */
const INFO_BYTES = 32
const NAME_BYTES = 16

/**
 * The kernel's own BTF as the kernel has it in memory; undefined if the kernel has none (CONFIG_DEBUG_INFO_BTF=n). Needs
 * no file. Needs CAP_SYS_ADMIN, and throws a BpfError without. Linux 5.11.
 */
export function kernelBtf(): Uint8Array | undefined {
  parseKernelBtf()
  const id = new Uint32Array(1)
  for (;;) {
    const result = ffi.bpf_btf_get_next_id(id[0] ?? 0, id)
    if (result === -ENOENT) return undefined
    if (result < 0) throw new BpfError('list the BTF objects', -result)
    const data = dataOf(id[0] ?? 0)
    if (data) return data
  }
}

/** The kernel parses its BTF when it checks its first program. Before that it is not in the list. */
function parseKernelBtf(): void {
  // r0 = 0; exit
  const code = Uint8Array.of(0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0)
  const number = ffi.bpf_prog_load(PROGRAM_TYPES.SOCKET_FILTER, 'probe', 'GPL', code, 2, null)
  if (number >= 0) closeSync(number)
}

/** The data of this BTF object if it is the kernel's. Modules have objects, too, under their names. */
function dataOf(id: number): Uint8Array | undefined {
  const number = ffi.bpf_btf_get_fd_by_id(id)
  // It may have gone meanwhile.
  if (number === -ENOENT) return undefined
  using fd = new Fd(
    check(`open BTF object ${id}`, () => number),
    `BTF object ${id}`,
  )
  const name = new Uint8Array(NAME_BYTES)
  const { size, isKernels } = inspect(fd, { name })
  if (!isKernels || text(NAME_BYTES).decode(new DataView(name.buffer), 0) !== 'vmlinux') {
    return undefined
  }
  const data = new Uint8Array(size)
  inspect(fd, { data })
  return data
}

function inspect(
  fd: Fd,
  { name, data }: { readonly name?: Uint8Array; readonly data?: Uint8Array },
): { readonly size: number; readonly isKernels: boolean } {
  const info = new DataView(new ArrayBuffer(INFO_BYTES))
  info.setBigUint64(0, data === undefined ? 0n : ffi.addressOf(data), LITTLE)
  info.setUint32(8, data?.length ?? 0, LITTLE)
  info.setBigUint64(16, name === undefined ? 0n : ffi.addressOf(name), LITTLE)
  info.setUint32(24, name?.length ?? 0, LITTLE)
  check(`inspect ${fd.what}`, () =>
    ffi.bpf_obj_get_info_by_fd(fd.number, new Uint8Array(info.buffer), Uint32Array.of(INFO_BYTES)),
  )
  return { size: info.getUint32(8, LITTLE), isKernels: info.getUint32(28, LITTLE) !== 0 }
}

/**
 * Runs `fn` while this thread sees the data as /sys/kernel/btf/vmlinux. libbpf reads the ids of the kernel's functions
 * and tracepoints there, and has no other way. `fn` must be synchronous: the thread gets a mount namespace of its own for
 * that time, in which nothing else differs. Needs CAP_SYS_ADMIN.
 */
export function withKernelBtf<T>(data: Uint8Array, fn: () => T): T {
  using home = openFd('/proc/thread-self/ns/mnt')
  using directory = openFd('.')
  checkLibc('make a mount namespace', () => ffi.unshare(CLONE_NEWNS))
  try {
    // Mounts of this namespace must not appear in others.
    checkLibc('separate the mount namespace', () =>
      ffi.mount('none', '/', 'none', MS_REC | MS_PRIVATE, null),
    )
    putInPlace(data)
    return fn()
  } finally {
    // The namespace ends here, with its mounts. Everything after a failure would happen in the wrong place.
    const result = ffi.setns(home.number, CLONE_NEWNS) < 0 ? -1 : ffi.fchdir(directory.number)
    if (result < 0) {
      const { message } = new BpfError('leave the mount namespace', ffi.errno())
      process.stderr.write(`${message}\n`)
      process.abort()
    }
  }
}

/** sysfs takes no new directory: covers the last one that is there. */
function putInPlace(data: Uint8Array): void {
  const at = ['/sys/kernel/btf', '/sys/kernel', '/sys'].find((path) => existsSync(path))
  if (at === undefined) {
    throw new LibbpfError('there is no directory /sys', { code: 'ENOENT', operation: 'show BTF' })
  }
  checkLibc(`mount tmpfs at ${at}`, () => ffi.mount('tmpfs', at, 'tmpfs', 0, null))
  checkNode(`write ${KERNEL_BTF_PATH}`, () => {
    mkdirSync(dirname(KERNEL_BTF_PATH), { recursive: true })
    writeFileSync(KERNEL_BTF_PATH, data)
  })
}
