/** Tables of functions that the kernel calls, such as a TCP congestion control in BPF (`SEC(".struct_ops")`). */
import { LibbpfError } from '../base-error.ts'
import { BpfError, check, checkPointer } from '../error.ts'
import * as ffi from '../ffi.ts'
import { Fd, Handle } from '../handle.ts'
import { duplicate } from '../libc.ts'
import { type Attachment, Link } from '../link.ts'

/** The kernel's answers for a table that is unregistered already: before its map is freed, and meanwhile. */
const GONE: ReadonlySet<number> = new Set([-2, -115])

/**
 * A table without a link of the kernel: the map itself is registered, until it is deleted from. Linux before 6.4, libbpf
 * before 1.2, and `SEC(".struct_ops")` in place of `SEC(".struct_ops.link")` have no link.
 */
class StructOpsAttachment extends Handle implements Attachment {
  readonly pinnable = false
  readonly #map: Fd

  /** Takes the descriptor over. */
  constructor(what: string, map: Fd) {
    super(what)
    this.#map = map
  }

  pin(): never {
    return this.#refuse('pin', 'NOT_PINNABLE')
  }

  /** Nothing can be pinned, so nothing is to do. */
  unpin(): void {}

  update(): never {
    return this.#refuse('update', 'NOT_UPDATABLE')
  }

  detach(): void {
    this.assertLive()
    this.#unregister()
  }

  /** Lets go of the table and leaves it registered: the kernel keeps its map. */
  disconnect(): void {
    this.assertLive()
    this.abandon()
    this.#map[Symbol.dispose]()
  }

  protected override release(): void {
    try {
      this.#unregister()
    } finally {
      this.#map[Symbol.dispose]()
    }
  }

  #unregister(): void {
    const result = ffi.bpf_map_delete_elem(this.#map.number, new Uint32Array(1))
    if (result < 0 && !GONE.has(result)) throw new BpfError(`detach ${this.what}`, -result)
  }

  #refuse(verb: string, code: string): never {
    throw new LibbpfError('the table has no link', {
      code,
      operation: `${verb} ${this.what}`,
      hint: 'Links of struct_ops need Linux 6.4, libbpf 1.2 and SEC(".struct_ops.link").',
    })
  }
}

/** Registers the table of a map of a loaded object. */
export function attachStructOps(map: ffi.Ptr<'bpf_map'>, name: string): Attachment {
  const what = `struct_ops ${name}`
  const link = checkPointer(`attach ${what}`, () => ffi.bpf_map__attach_struct_ops(map), {
    EINVAL: 'The map is no SEC(".struct_ops") table, or the kernel refuses one of its functions.',
    EEXIST: 'The kernel has a table of this name: give it another one.',
    EBUSY: 'This table is registered already.',
  })
  const linkFd = ffi.bpf_link__fd(link)
  const mapFd = check(`find map ${name}`, () => ffi.bpf_map__fd(map))
  try {
    // libbpf's link ends with its object; ours shall not.
    return linkFd === mapFd
      ? new StructOpsAttachment(what, duplicate(mapFd, what))
      : new Link(new Fd(linkFd, what))
  } finally {
    ffi.bpf_link__disconnect(link)
    ffi.bpf_link__destroy(link)
  }
}
