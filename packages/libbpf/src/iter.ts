import { closeSync, readSync } from 'node:fs'
import { check, nodeError } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd, Handle } from './handle.ts'
import { Link } from './link.ts'
import { openPin } from './pin.ts'

/** The kernel fills at most 32 KiB at a time (bpf_seq_read: eight pages). */
const CHUNK_BYTES = 64 * 1024
const chunk = Buffer.alloc(CHUNK_BYTES)

const TOO_BIG = 'One element wrote more than the kernel buffers (32 KiB), or the iterator failed.'

/** Reads the next piece into `chunk`; 0 at the end. */
function readChunk(fd: number, what: string): number {
  for (;;) {
    try {
      return readSync(fd, chunk)
    } catch (error) {
      // EAGAIN: the kernel pauses after a million elements without output (bpf_seq_read), and goes on when asked.
      if (hasCode(error, 'EAGAIN') || hasCode(error, 'EINTR')) continue
      throw nodeError(`read ${what}`, error, hasCode(error, 'E2BIG') ? TOO_BIG : undefined)
    }
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function* piecesOf(fd: number, what: string): Generator<Buffer> {
  for (let size = readChunk(fd, what); size > 0; size = readChunk(fd, what)) {
    yield Buffer.from(chunk.subarray(0, size))
  }
}

function readAll(fd: number, what: string): Buffer {
  const pieces = [...piecesOf(fd, what)]
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
}

/** An iterator program bound to what it walks over. Each run walks once, from the beginning. */
export class IterLink extends Link {
  /** Opens a pinned iterator link. */
  static override fromPin(path: string): IterLink {
    return new IterLink(openPin('iterator link', path), 1)
  }

  /** Walks once; returns what the program wrote (bpf_seq_write, BPF_SEQ_PRINTF). */
  iterate(): Buffer {
    const fd = this.#create()
    try {
      return readAll(fd, this.what)
    } finally {
      closeSync(fd)
    }
  }

  /** Walks once, a system call for each piece of at most 32 KiB; what the program writes at a time is in one piece. */
  *pieces(): Generator<Buffer> {
    const fd = this.#create()
    try {
      yield* piecesOf(fd, this.what)
    } finally {
      closeSync(fd)
    }
  }

  /** Walks once, for programs that write nothing: three system calls, no allocation. The output is dropped. */
  run(): void {
    const fd = this.#create()
    try {
      while (readChunk(fd, this.what) > 0);
    } finally {
      closeSync(fd)
    }
  }

  /**
   * A walk to be made later. Some iterators (tcp, udp, unix, netlink) are bound to the network namespace of the
   * thread here, not where they are read: see `withNetns`.
   */
  open(): OpenIter {
    return new OpenIter(new Fd(this.#create(), this.what))
  }

  #create(): number {
    return check(`start ${this.what}`, () => ffi.bpf_iter_create(this.fd))
  }
}

/** One walk, bound to its namespace but not begun. */
export class OpenIter extends Handle {
  readonly #fd: Fd

  /** Takes the descriptor over. */
  constructor(fd: Fd) {
    super(fd.what)
    this.#fd = fd
  }

  /** Walks to the end and returns what the program wrote. Empty the second time. */
  read(): Buffer {
    this.assertLive()
    return readAll(this.#fd.number, this.what)
  }

  protected override release(): void {
    this.#fd[Symbol.dispose]()
  }
}
