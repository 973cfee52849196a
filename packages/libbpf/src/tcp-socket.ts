/** TCP sockets on loopback with the calls that Node hides: FIONREAD, SO_MEMINFO, splice, a reset. They never block. */
import { closeSync } from 'node:fs'
import { AF_INET, LITTLE, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET } from './constants.ts'
import { BpfError, checkLibc } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd, Handle } from './handle.ts'

const SOCK_NONBLOCK = 0o4000
const SO_LINGER = 13
const SO_MEMINFO = 55
const MEMINFO_WORDS = 9
const FIONREAD = 0x541b
const POLLIN = 1
const POLLOUT = 4
const SHUT_WR = 1
const MSG_NOSIGNAL = 0x4000
const SPLICE_F_NONBLOCK = 2
const SOCKADDR_SIZE = 16
const EPOLL_CTL_ADD = 1
const EPOLLIN = 1
const EPOLLET = 1 << 31
/** struct epoll_event is packed to 12 bytes on some machines. */
const EPOLL_EVENT_SIZE = 16
const EAGAIN = 11
const EINPROGRESS = 115
const ETIMEDOUT = 110
const WAIT_MS = 1000

/** IPPROTO_MPTCP, Linux 5.6. */
export const MPTCP = 262

/** struct sockaddr_in of 127.0.0.1 */
function loopback(port: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(SOCKADDR_SIZE))
  view.setUint16(0, AF_INET, LITTLE)
  view.setUint16(2, port)
  view.setUint32(4, 0x7f000001)
  return new Uint8Array(view.buffer)
}

/** Waits until the socket is ready; false after a second. */
function ready(fd: Fd, events: number): boolean {
  const view = new DataView(new ArrayBuffer(8))
  view.setInt32(0, fd.number, LITTLE)
  view.setInt16(4, events, LITTLE)
  return (
    checkLibc(`wait for ${fd.what}`, () => ffi.poll(new Uint8Array(view.buffer), 1, WAIT_MS)) === 1
  )
}

/** An edge-triggered watch of one socket: epoll with EPOLLIN and EPOLLET. */
export class EdgeWatch extends Handle {
  readonly #epoll: Fd

  /** Borrows the socket. */
  constructor(socket: Fd) {
    super(`edges of ${socket.what}`)
    this.#epoll = new Fd(
      checkLibc('make an epoll', () => ffi.epoll_create1(SOCK_CLOEXEC)),
      'epoll',
    )
    const event = new Uint8Array(EPOLL_EVENT_SIZE)
    new DataView(event.buffer).setUint32(0, (EPOLLIN | EPOLLET) >>> 0, LITTLE)
    checkLibc(`watch ${socket.what}`, () =>
      ffi.epoll_ctl(this.#epoll.number, EPOLL_CTL_ADD, socket.number, event),
    )
  }

  /** Whether the kernel has reported input since the last call. Does not wait. */
  next(): boolean {
    this.assertLive()
    const event = new Uint8Array(EPOLL_EVENT_SIZE)
    return checkLibc(`ask ${this.what}`, () => ffi.epoll_wait(this.#epoll.number, event, 1, 0)) > 0
  }

  protected override release(): void {
    this.#epoll[Symbol.dispose]()
  }
}

/** One end of a connection over loopback. */
export class TcpSocket extends Handle {
  readonly #fd: Fd

  private constructor(fd: Fd) {
    super(fd.what)
    this.#fd = fd
  }

  /** Two connected ends. The listener may speak another protocol, such as MPTCP. */
  static pair(listenerProtocol = 0): { readonly client: TcpSocket; readonly server: TcpSocket } {
    using listener = open('listener', listenerProtocol)
    const port = listen(listener, 1)
    const client = open('client', 0)
    try {
      const failed = ffi.connect(client.number, loopback(port), SOCKADDR_SIZE) < 0
      if (failed && ffi.errno() !== EINPROGRESS) throw new BpfError('connect', ffi.errno())
      if (!ready(listener, POLLIN)) throw new BpfError('accept', ETIMEDOUT)
      const accepted = checkLibc('accept', () =>
        ffi.accept4(listener.number, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC),
      )
      return { client: new TcpSocket(client), server: new TcpSocket(new Fd(accepted, 'server')) }
    } catch (error) {
      client[Symbol.dispose]()
      throw error
    }
  }

  /** Sends all of it. */
  send(data: Uint8Array): void {
    for (let sent = 0; sent < data.length;) {
      const rest = data.subarray(sent)
      const count = ffi.send(this.#fd.number, rest, rest.length, MSG_NOSIGNAL)
      if (count >= 0) sent += count
      else if (ffi.errno() !== EAGAIN) throw new BpfError(`send by ${this.what}`, ffi.errno())
      else if (!ready(this.#fd, POLLOUT)) throw new BpfError(`send by ${this.what}`, ETIMEDOUT)
    }
  }

  /** The bytes that can be read, up to `size` bytes; empty at the end of the stream. Throws ETIMEDOUT after a second. */
  receive(size: number): Uint8Array {
    const buffer = new Uint8Array(size)
    const operation = `receive by ${this.what}`
    for (;;) {
      const count = ffi.recv(this.#fd.number, buffer, size, 0)
      if (count >= 0) return buffer.subarray(0, count)
      if (ffi.errno() !== EAGAIN) throw new BpfError(operation, ffi.errno())
      if (!ready(this.#fd, POLLIN)) throw new BpfError(operation, ETIMEDOUT)
    }
  }

  /** Exactly so many bytes, or those before the end of the stream. */
  receiveAll(size: number): Uint8Array {
    const all = new Uint8Array(size)
    for (let got = 0; got < size;) {
      const part = this.receive(size - got)
      if (part.length === 0) return all.subarray(0, got)
      all.set(part, got)
      got += part.length
    }
    return all
  }

  /** Waits until there is something to read, or the end. Throws ETIMEDOUT after a second. */
  awaitReadable(): void {
    if (!ready(this.#fd, POLLIN)) throw new BpfError(`wait for ${this.what}`, ETIMEDOUT)
  }

  /** Watches for input as an edge-triggered reader does. */
  edges(): EdgeWatch {
    this.assertLive()
    return new EdgeWatch(this.#fd)
  }

  /** FIONREAD: what the kernel says that a receive would find. */
  readable(): number {
    const value = new Int32Array(1)
    checkLibc('FIONREAD', () =>
      ffi.ioctl_pointer(this.#fd.number, FIONREAD, 'void *', new Uint8Array(value.buffer)),
    )
    return value[0] ?? 0
  }

  /** SK_MEMINFO_RMEM_ALLOC: bytes of memory that wait to be read. */
  receiveMemory(): number {
    const words = new Uint32Array(MEMINFO_WORDS)
    const bytes = new Uint8Array(words.buffer)
    checkLibc('SO_MEMINFO', () =>
      ffi.getsockopt(this.#fd.number, SOL_SOCKET, SO_MEMINFO, bytes, Uint32Array.of(bytes.length)),
    )
    return words[0] ?? 0
  }

  /** How many bytes splice(2) moves into a pipe, at most `size`; 0 when it finds none. */
  splice(size: number): number {
    const fds = new Int32Array(2)
    checkLibc('make a pipe', () => ffi.pipe2(fds, SOCK_CLOEXEC))
    const [from = -1, to = -1] = fds
    try {
      const moved = ffi.splice(this.#fd.number, null, to, null, size, SPLICE_F_NONBLOCK)
      if (moved < 0 && ffi.errno() !== EAGAIN) throw new BpfError('splice', ffi.errno())
      return Math.max(0, moved)
    } finally {
      closeSync(from)
      closeSync(to)
    }
  }

  /** Half-closes: the peer sees the end of the stream. */
  end(): void {
    checkLibc('shutdown', () => ffi.shutdown(this.#fd.number, SHUT_WR))
  }

  /** Closes so that the peer sees a reset. */
  reset(): void {
    const linger = new Uint8Array(Int32Array.of(1, 0).buffer)
    checkLibc('SO_LINGER', () =>
      ffi.setsockopt(this.#fd.number, SOL_SOCKET, SO_LINGER, linger, linger.length),
    )
    this[Symbol.dispose]()
  }

  protected override release(): void {
    this.#fd[Symbol.dispose]()
  }
}

function open(what: string, protocol: number): Fd {
  return new Fd(
    checkLibc(`open a ${what}`, () =>
      ffi.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol),
    ),
    what,
  )
}

/** Binds the socket to a free port of 127.0.0.1 and listens there. Returns the port. */
function listen(listener: Fd, backlog: number): number {
  checkLibc('bind', () => ffi.bind(listener.number, loopback(0), SOCKADDR_SIZE))
  checkLibc('listen', () => ffi.listen(listener.number, backlog))
  const address = new Uint8Array(SOCKADDR_SIZE)
  checkLibc('look up the port', () =>
    ffi.getsockname(listener.number, address, Uint32Array.of(SOCKADDR_SIZE)),
  )
  return new DataView(address.buffer).getUint16(2)
}

/**
 * A listening socket on a free port of 127.0.0.1, in the calling thread's network namespace. The caller owns the
 * descriptor. `net.Server.listen({ fd })` takes it over.
 */
export function listenOnLoopback(backlog = 128): { readonly fd: number; readonly port: number } {
  const listener = open('listener', 0)
  try {
    // The handle is not disposed: its descriptor is the caller's now.
    return { fd: listener.number, port: listen(listener, backlog) }
  } catch (error) {
    listener[Symbol.dispose]()
    throw error
  }
}
