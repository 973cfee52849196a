import { LibbpfError } from './base-error.ts'
import { BPF_SK_MSG_VERDICT } from './constants.ts'
import { BpfError, check, type Hint } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd, Handle } from './handle.ts'
import { type LinkInfo, linkInfo } from './info.ts'
import { duplicate } from './libc.ts'
import { openPin, pinFd, unpin } from './pin.ts'

/** A program to attach or to put in another's place. */
export interface HasFd {
  /** Its descriptor, borrowed. */
  readonly fd: number
}

/**
 * A program attached somewhere. Disposing lets go of it: the program is detached then, unless the link is pinned. The
 * kernel does the same when the process ends.
 */
export interface Attachment extends Disposable {
  /** Whether the handle has been let go of. */
  readonly disposed: boolean
  /** Whether the link can outlive the process by a pin. */
  readonly pinnable: boolean
  /** Keeps the program attached without this process, until `unpin` and the last handle are gone. */
  pin(path: string): void
  /** Removes a pin. Idempotent. */
  unpin(path: string): void
  /** Puts another program in place atomically. */
  update(program: HasFd): void
  /** Detaches now, pinned or not; handles and pins of the link stay, empty. Linux 5.8. */
  detach(): void
  /** Lets go of the handle and leaves the program attached; the link must be pinned. */
  disconnect(): void
}

/** A link of the kernel. */
export class Link extends Handle implements Attachment {
  readonly pinnable = true
  readonly #fd: Fd
  /** Pins that this handle knows of. */
  #pins: number

  /** Takes the descriptor over. */
  constructor(fd: Fd, pins: number = 0) {
    super(fd.what)
    this.#fd = fd
    this.#pins = pins
  }

  /** Opens a pinned link. ENOENT when nothing is there. Linux 5.7. */
  static fromPin(path: string): Link {
    return new Link(openPin('link', path), 1)
  }

  /** Its descriptor, borrowed. Throws `DISPOSED`. */
  get fd(): number {
    this.assertLive()
    return this.#fd.number
  }

  /** Its id and its program's, as they are now. Linux 5.8. */
  info(): LinkInfo {
    this.assertLive()
    return linkInfo(this.#fd)
  }

  /**
   * Pins at a path on bpffs, whose directory exists and where nothing is (EEXIST). Linux 5.7. EPERM outside of bpffs.
   */
  pin(path: string): void {
    this.assertLive()
    pinFd(this.#fd, path)
    this.#pins++
  }

  /** Removes a pin. Nothing there is no error. */
  unpin(path: string): void {
    unpin(path)
    this.#pins = Math.max(0, this.#pins - 1)
  }

  /** Puts another program in place atomically. Only links to cgroups, sockmaps and the network can (else EINVAL). */
  update(program: HasFd): void {
    check(`update ${this.what}`, () => ffi.bpf_link_update(this.fd, program.fd, null))
  }

  /** Detaches now, pinned or not. Linux 5.8; links of tracing programs cannot (EOPNOTSUPP). */
  detach(): void {
    check(
      `detach ${this.what}`,
      () => ffi.bpf_link_detach(this.fd),
      'Links of tracing programs cannot be detached by force: unpin and dispose them.',
    )
  }

  /** Lets go of the handle and leaves the program attached. Throws `NOT_PINNED` when this handle knows of no pin. */
  disconnect(): void {
    this.assertLive()
    if (this.#pins === 0) {
      throw new LibbpfError('the link is not pinned', {
        code: 'NOT_PINNED',
        operation: `disconnect ${this.what}`,
        hint: 'The kernel detaches a link with its last descriptor: pin it first.',
      })
    }
    this[Symbol.dispose]()
  }

  protected override release(): void {
    this.#fd[Symbol.dispose]()
  }
}

/** Links the program to a target: a descriptor or the number of an interface, as the attach type wants it. */
export function createLink(
  what: string,
  program: HasFd,
  target: number,
  attachType: number,
  { opts = null, hint }: { opts?: ffi.LinkCreateOpts | null; hint?: Hint } = {},
): Link {
  const create = (): number => ffi.bpf_link_create(program.fd, target, attachType, opts)
  return new Link(new Fd(check(`attach ${what}`, create, hint), what))
}

/**
 * A sk_msg program on a sockmap or sockhash of a kernel before 6.10, which has no link for it. The map itself holds the program. So it stays attached as long as the map lives, even after this process.
 */
export class SockmapAttachment extends Handle implements Attachment {
  readonly pinnable = false
  #program: Fd
  readonly #map: Fd

  /** Takes both descriptors over. */
  constructor(what: string, program: Fd, map: Fd) {
    super(what)
    this.#program = program
    this.#map = map
  }

  /** Throws `NOT_PINNABLE`. */
  pin(): never {
    throw new LibbpfError('this kernel has no link to pin', {
      code: 'NOT_PINNABLE',
      operation: `pin ${this.what}`,
      hint: 'Pin the map instead: the program stays attached to it. Links to sockmaps need Linux 6.10.',
    })
  }

  /** Nothing can be pinned, so nothing is to do. */
  unpin(): void {}

  /** Puts another program in place atomically. */
  update(program: HasFd): void {
    this.assertLive()
    const next = duplicateOf(program, this.what)
    try {
      check(`update ${this.what}`, () =>
        ffi.bpf_prog_attach(next.number, this.#map.number, BPF_SK_MSG_VERDICT, 0),
      )
    } catch (error) {
      next[Symbol.dispose]()
      throw error
    }
    this.#program[Symbol.dispose]()
    this.#program = next
  }

  /** Takes the program off the map, unless somebody has put another one there. Idempotent. */
  detach(): void {
    this.assertLive()
    this.#detach()
  }

  /** Lets go of the handle; the map keeps the program. */
  disconnect(): void {
    this.assertLive()
    this.abandon()
    this.#close()
  }

  protected override release(): void {
    try {
      this.#detach()
    } finally {
      this.#close()
    }
  }

  #detach(): void {
    const result = ffi.bpf_prog_detach2(this.#program.number, this.#map.number, BPF_SK_MSG_VERDICT)
    // ENOENT: detached already, or replaced by somebody else's program, which is not ours to remove.
    if (result < 0 && result !== -2) throw new BpfError(`detach ${this.what}`, -result)
  }

  #close(): void {
    this.#program[Symbol.dispose]()
    this.#map[Symbol.dispose]()
  }
}

const duplicateOf = (program: HasFd, what: string): Fd =>
  duplicate(program.fd, `program of ${what}`)
