import {
  BPF_CGROUP_SOCK_OPS,
  BPF_PERF_EVENT,
  BPF_SK_MSG_VERDICT,
  BPF_TRACE_ITER,
} from './constants.ts'
import { BpfError, check, checkLibc, type Hint } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd, Handle } from './handle.ts'
import { type ProgramInfo, programInfo } from './info.ts'
import { IterLink } from './iter.ts'
import { duplicate, openFd } from './libc.ts'
import { type Attachment, Link, SockmapAttachment } from './link.ts'
import type { AnyMap } from './map.ts'
import { openPerfEvent } from './perf-event.ts'
import { openPin, pinFd, unpin } from './pin.ts'

const EINVAL = 22
const PERF_EVENT_IOC_ENABLE = 0x2400
const CGROUP_CLAIMED =
  'Run as root, or with CAP_BPF and CAP_NET_ADMIN. As root: somebody has attached a program there, or above, that does ' +
  'not share; `bpftool cgroup tree` shows it.'

/** How a sk_msg program is put on its map: `auto` takes a link where the kernel has it (6.10). */
export type SockmapMode = 'auto' | 'link' | 'attach'

/**
 * A loaded program. From a LoadedObject it borrows the object's descriptor and ends with it; its links do not, they
 * keep the program in the kernel.
 */
export class Program extends Handle {
  readonly name: string
  readonly #fd: Fd
  readonly #attachType: number

  /** Takes the descriptor over. */
  constructor(name: string, fd: Fd, attachType: number) {
    super(`program ${name}`)
    this.name = name
    this.#fd = fd
    this.#attachType = attachType
  }

  /**
   * Opens a pinned program. The kernel does not tell where a cgroup program may be attached: say so for `attachCgroup`.
   */
  static fromPin(path: string, attachType: number = BPF_CGROUP_SOCK_OPS): Program {
    return new Program(path, openPin('program', path), attachType)
  }

  get fd(): number {
    this.assertLive()
    return this.#fd.number
  }

  info(): ProgramInfo {
    this.assertLive()
    return programInfo(this.#fd)
  }

  /** Attaches to a cgroup v2 directory and all below it, beside other programs. Linux 5.7. */
  attachCgroup(path: string): Link {
    const what = `${this.name} to cgroup ${path}`
    using cgroup = openFd(path, 'Give a directory of the cgroup v2 hierarchy.')
    return this.#link(
      what,
      () => ffi.bpf_link_create(this.fd, cgroup.number, this.#attachType, null),
      { EPERM: CGROUP_CLAIMED },
    )
  }

  /** Attaches a tp_btf, fentry, fexit or raw_tp program to what its section names. Linux 5.5. */
  attachTracing(): Link {
    return this.#link(`${this.name} to its tracing target`, () =>
      ffi.bpf_raw_tracepoint_open(null, this.fd),
    )
  }

  /** Attaches to a tracepoint of tracefs: `('syscalls', 'sys_enter_splice')`. Linux 5.15. */
  attachTracepoint(category: string, event: string): Link {
    return this.#attachPerf(`${this.name} to tracepoint ${category}/${event}`, (what) =>
      openPerfEvent(what, { tracepoint: `${category}/${event}` }),
    )
  }

  /** Attaches a kprobe program to the entry of a kernel function. Linux 5.15, where kprobes are allowed. */
  attachKprobe(symbol: string): Link {
    return this.#attachPerf(`${this.name} to kprobe ${symbol}`, (what) =>
      openPerfEvent(what, { kprobe: symbol }),
    )
  }

  /**
   * Attaches a sk_msg program to a sockmap or sockhash. Kernels before 6.10 have no link for it: the attachment then
   * cannot be pinned and the map holds the program.
   */
  attachSkMsg(map: AnyMap, mode: SockmapMode = 'auto'): Attachment {
    const what = `${this.name} to ${map.what}`
    if (mode !== 'attach') {
      try {
        return this.#link(what, () =>
          ffi.bpf_link_create(this.fd, map.fd, BPF_SK_MSG_VERDICT, null),
        )
      } catch (error) {
        // What a kernel says that does not know the link; what else it may mean, bpf_prog_attach will repeat.
        if (mode === 'link' || !(error instanceof BpfError && error.errno === EINVAL)) throw error
      }
    }
    check(`attach ${what}`, () => ffi.bpf_prog_attach(this.fd, map.fd, BPF_SK_MSG_VERDICT, 0))
    const program = duplicate(this.fd, what)
    try {
      return new SockmapAttachment(what, program, duplicate(map.fd, what))
    } catch (error) {
      program[Symbol.dispose]()
      throw error
    }
  }

  /**
   * Binds an iterator program to what it walks over: a map for bpf_map_elem, bpf_sk_storage_map and sockmap, one thread
   * for task and task_file (Linux 6.1).
   */
  attachIter(target?: AnyMap | { readonly tid: number }): IterLink {
    const [over, number] =
      target === undefined
        ? ['', undefined]
        : 'tid' in target
          ? [` of thread ${target.tid}`, target.tid]
          : [` of ${target.what}`, target.fd]
    const what = `iterator ${this.name}${over}`
    // union bpf_iter_link_info: each of these begins with its number.
    const linkInfo = Buffer.from(Uint32Array.of(number ?? 0, 0, 0, 0).buffer)
    const opts: ffi.LinkCreateOpts | null =
      number === undefined
        ? null
        : {
            sz: ffi.sizeofOpts('bpf_link_create_opts'),
            flags: 0,
            iter_info: linkInfo,
            iter_info_len: linkInfo.length,
            target_btf_id: 0,
          }
    const fd = check(`attach ${what}`, () => ffi.bpf_link_create(this.fd, 0, BPF_TRACE_ITER, opts))
    return new IterLink(new Fd(fd, what))
  }

  /**
   * Runs the program once (BPF_PROG_TEST_RUN); returns what it returns. A `SEC("syscall")` program reads its context from
   * `context` and writes it there, Linux 5.14. A `SEC("tc")` program has a packet of `packet` on the loopback device of
   * the calling thread's network namespace, at least 14 bytes, and takes the fields of struct __sk_buff from `context`.
   */
  run(context?: Uint8Array, packet?: Uint8Array): number {
    const opts: ffi.TestRunOpts = {
      sz: ffi.sizeofOpts('bpf_test_run_opts'),
      data_in: packet ?? null,
      data_size_in: packet?.length ?? 0,
      ctx_in: context ?? null,
      ctx_size_in: context?.length ?? 0,
    }
    check(`run ${this.what}`, () => ffi.bpf_prog_test_run_opts(this.fd, opts))
    return opts.retval ?? 0
  }

  /** Pins the program: it outlives this process until it is unpinned. */
  pin(path: string): void {
    this.assertLive()
    pinFd(this.#fd, path)
  }

  /** Removes a pin. Idempotent. */
  unpin(path: string): void {
    unpin(path)
  }

  protected override release(): void {
    this.#fd[Symbol.dispose]()
  }

  #link(what: string, create: () => number, hint?: Hint): Link {
    return new Link(new Fd(check(`attach ${what}`, create, hint), what))
  }

  /** The link holds the event: it goes on when our descriptor is closed, and ends with the link. */
  #attachPerf(what: string, open: (what: string) => Fd): Link {
    using event = open(what)
    const link = this.#link(what, () =>
      ffi.bpf_link_create(this.fd, event.number, BPF_PERF_EVENT, null),
    )
    try {
      checkLibc(`enable ${what}`, () =>
        ffi.ioctl_int(event.number, PERF_EVENT_IOC_ENABLE, 'int', 0),
      )
    } catch (error) {
      link[Symbol.dispose]()
      throw error
    }
    return link
  }
}
