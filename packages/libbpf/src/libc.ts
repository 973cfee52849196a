/** The few Linux calls around BPF that Node has no function for. */
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET } from './constants.ts'
import { BpfError, checkLibc, checkNode } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd } from './handle.ts'

const SO_NETNS_COOKIE = 71
const CLONE_NEWNET = 0x40000000
const F_DUPFD_CLOEXEC = 1030
const MNT_DETACH = 2
const LOCK_EX = 2
const LOCK_NB = 4
const MFD_CLOEXEC = 1
const AT_FDCWD = -100
const RENAME_EXCHANGE = 2
const ENOENT = 2
const EINVAL = 22
const ENOSYS = 38

/** Opens a file or directory for reading, close-on-exec. */
export function openFd(path: string, hint?: string): Fd {
  return new Fd(
    checkNode(`open ${path}`, () => openSync(path, 'r'), hint),
    path,
  )
}

/** A file in memory with this content, for calls that take a path: `/proc/self/fd/N`, while it is open. */
export function memoryFile(name: string, content: Uint8Array): Fd {
  const file = new Fd(
    checkLibc(`create ${name} in memory`, () => ffi.memfd_create(name, MFD_CLOEXEC)),
    name,
  )
  try {
    checkNode(`write ${name}`, () => writeFileSync(file.number, content))
  } catch (error) {
    file[Symbol.dispose]()
    throw error
  }
  return file
}

/** Takes flock(2) on an open file or directory, or says that somebody else holds it. It ends with the descriptor. */
export function tryLock(file: Fd): boolean {
  return ffi.flock(file.number, LOCK_EX | LOCK_NB) === 0
}

/** A second descriptor for the same thing, close-on-exec, with a life of its own. */
export function duplicate(number: number, what: string): Fd {
  return new Fd(
    checkLibc(`duplicate ${what}`, () => ffi.fcntl_int(number, F_DUPFD_CLOEXEC, 'int', 0)),
    what,
  )
}

/**
 * Runs `fn` inside the network namespace that the path opens (`/run/netns/cart`, `/proc/1234/ns/net`); needs
 * CAP_SYS_ADMIN. Sockets and iterators that `fn` opens belong to that namespace. `fn` must be synchronous: the
 * namespace is the calling thread's.
 */
export function withNetns<T>(path: string, fn: () => T): T {
  using home = openFd('/proc/thread-self/ns/net')
  using away = openFd(path)
  checkLibc(`enter network namespace ${path}`, () => ffi.setns(away.number, CLONE_NEWNET))
  try {
    return fn()
  } finally {
    if (ffi.setns(home.number, CLONE_NEWNET) < 0) {
      // Everything after this would happen in somebody else's network: there is no way on.
      const { message } = new BpfError('leave network namespace', ffi.errno())
      process.stderr.write(`${message}\n`)
      process.abort()
    }
  }
}

/** SO_NETNS_COOKIE of the calling thread's network namespace: never reused while the machine is up. Linux 5.14. */
export function currentNetnsCookie(): bigint {
  const number = checkLibc('open a socket', () =>
    ffi.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
  )
  try {
    const value = new BigUint64Array(1)
    checkLibc(
      'read the network namespace cookie',
      () =>
        ffi.getsockopt(
          number,
          SOL_SOCKET,
          SO_NETNS_COOKIE,
          new Uint8Array(value.buffer),
          Uint32Array.of(8),
        ),
      'SO_NETNS_COOKIE needs Linux 5.14.',
    )
    return value[0] ?? 0n
  } finally {
    closeSync(number)
  }
}

/** Whether the kernel has sockets of IPv6. */
export function probeIpv6(): boolean {
  const number = ffi.socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)
  if (number < 0) return false
  closeSync(number)
  return true
}

/** Mounts a file system that has no device; needs CAP_SYS_ADMIN. */
export function mountFileSystem(type: string, at: string): void {
  checkLibc(`mount ${type} at ${at}`, () => ffi.mount(type, at, type, 0, null))
}

/** Takes it out of the tree at once; it ends when nobody uses it any more. */
export function unmountFileSystem(at: string): void {
  checkLibc(`unmount ${at}`, () => ffi.umount2(at, MNT_DETACH))
}

/** SO_NETNS_COOKIE of the network namespace that the path opens. */
export function netnsCookie(path: string): bigint {
  return withNetns(path, currentNetnsCookie)
}

/**
 * Swaps two files of one directory in one step: neither name is free at any time. `gone` when one of them is not
 * there, `unsupported` when the file system cannot do it; then nothing has changed.
 */
export function exchangeFiles(first: string, second: string): 'done' | 'gone' | 'unsupported' {
  if (ffi.renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE) === 0) return 'done'
  const errno = ffi.errno()
  if (errno === ENOENT) return 'gone'
  if (errno === EINVAL || errno === ENOSYS) return 'unsupported'
  throw new BpfError(`exchange ${first} and ${second}`, errno)
}
