import { functionOffset } from './attach/elf-symbol.ts'
import {
  attachNetfilter,
  attachTcx,
  attachXdp,
  type NetfilterPlace,
  type TcxDirection,
  type XdpMode,
} from './attach/network.ts'
import { attachClock, attachKprobe, attachTracepoint, attachUprobe } from './attach/perf-event.ts'
import { BPF_CGROUP_SOCK_OPS, BPF_SK_MSG_VERDICT, BPF_TRACE_ITER } from './constants.ts'
import { BpfError, check } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd, Handle } from './handle.ts'
import { type ProgramInfo, programInfo } from './info.ts'
import { IterLink } from './iter.ts'
import { duplicate, openFd } from './libc.ts'
import { type Attachment, createLink, Link, SockmapAttachment } from './link.ts'
import type { AnyMap } from './map.ts'
import { openPin, pinFd, unpin } from './pin.ts'

const EINVAL = 22
const CGROUP_CLAIMED =
  'Run as root, or with CAP_BPF and CAP_NET_ADMIN. As root: somebody has attached a program there, or above, that does ' +
  'not share; `bpftool cgroup tree` shows it.'

/** How a sk_msg program is put on its map: `auto` takes a link where the kernel has it (6.10). */
export type SockmapMode = 'auto' | 'link' | 'attach'

/** Whom a uprobe sees. */
export interface UprobeOptions {
  /** This process alone; by default every one. */
  readonly pid?: number
}

/**
 * A loaded program. From a LoadedObject it borrows the object's descriptor and ends with it; its links do not, they
 * keep the program in the kernel.
 */
export class Program extends Handle {
  /** As in the object, or the path of the pin. */
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

  /** Its descriptor, borrowed. Throws `DISPOSED`. */
  get fd(): number {
    this.assertLive()
    return this.#fd.number
  }

  /** Its id, tag and counters, as they are now. */
  info(): ProgramInfo {
    this.assertLive()
    return programInfo(this.#fd)
  }

  /**
   * Attaches to a cgroup v2 directory and all below it, beside other programs: cgroup_skb, cgroup_sock, connect4 and its
   * like, sockops, device, sysctl, sockopt. Linux 5.7. EBADF when the path is no cgroup.
   */
  attachCgroup(path: string): Link {
    using cgroup = openFd(path, 'Give a directory of the cgroup v2 hierarchy.')
    const what = `${this.name} to cgroup ${path}`
    return createLink(what, this, cgroup.number, this.#attachType, {
      hint: { EPERM: CGROUP_CLAIMED },
    })
  }

  /** Attaches a tp_btf, fentry, fexit or fmod_ret program to what its section names. Linux 5.5. */
  attachTracing(): Link {
    return this.#attachRaw(null, 'its tracing target')
  }

  /** Attaches a raw_tp program to a tracepoint of the kernel: `sys_enter`. Linux 4.17; a pin needs 5.7. */
  attachRawTracepoint(event: string): Link {
    return this.#attachRaw(event, `raw tracepoint ${event}`)
  }

  /** Attaches to a tracepoint of tracefs: `('syscalls', 'sys_enter_splice')`. Linux 5.15. */
  attachTracepoint(category: string, event: string): Link {
    return attachTracepoint(this, this.name, `${category}/${event}`)
  }

  /** Attaches a kprobe program to the entry of a kernel function. Linux 5.15, where kprobes are allowed. */
  attachKprobe(symbol: string): Link {
    return attachKprobe(this, this.name, symbol, false)
  }

  /** Attaches a kretprobe program to the return of a kernel function. Linux 5.15, where kprobes are allowed. */
  attachKretprobe(symbol: string): Link {
    return attachKprobe(this, this.name, symbol, true)
  }

  /**
   * Attaches a uprobe program to a function of a 64-bit ELF file, or to an offset in the file. Every process that maps the
   * file is seen, or only `pid`. Linux 5.15. Throws `NO_SUCH_SYMBOL`.
   */
  attachUprobe(file: string, place: string | bigint, { pid }: UprobeOptions = {}): Link {
    const offset = typeof place === 'string' ? functionOffset(file, place) : place
    return attachUprobe(this, this.name, { file, offset, pid, atReturn: false })
  }

  /** Attaches a uretprobe program to the return of a function; see `attachUprobe`. Linux 5.15. */
  attachUretprobe(file: string, place: string | bigint, { pid }: UprobeOptions = {}): Link {
    const offset = typeof place === 'string' ? functionOffset(file, place) : place
    return attachUprobe(this, this.name, { file, offset, pid, atReturn: true })
  }

  /**
   * Runs a perf_event program at a frequency while the CPU is busy, or while the process runs, on whichever CPU. One
   * link is one CPU or one process. Linux 5.15.
   */
  attachClock(on: { readonly cpu: number } | { readonly pid: number }, frequencyHz: number): Link {
    return attachClock(this, this.name, on, frequencyHz)
  }

  /**
   * Attaches an XDP program to an interface of the calling thread's network namespace (`withNetns`). Linux 5.9. EBUSY
   * when the interface has one.
   */
  attachXdp(to: string, mode: XdpMode = 'auto'): Link {
    return attachXdp(this, this.name, to, mode)
  }

  /**
   * Attaches a `SEC("tc")` program to an interface of the calling thread's network namespace, behind the programs that
   * are there. Linux 6.6.
   */
  attachTcx(to: string, direction: TcxDirection): Link {
    return attachTcx(this, this.name, to, direction)
  }

  /**
   * Attaches a `SEC("netfilter")` program to a hook of the calling thread's network namespace. Linux 6.4 and libbpf 1.3,
   * else `LIBBPF_TOO_OLD`.
   */
  attachNetfilter(place: NetfilterPlace): Link {
    return attachNetfilter(this, this.name, place)
  }

  /**
   * Attaches a sk_msg program to a sockmap or sockhash. Kernels before 6.10 have no link for it: the attachment then
   * cannot be pinned and the map holds the program.
   */
  attachSkMsg(map: AnyMap, mode: SockmapMode = 'auto'): Attachment {
    const what = `${this.name} to ${map.what}`
    if (mode !== 'attach') {
      try {
        return createLink(what, this, map.fd, BPF_SK_MSG_VERDICT)
      } catch (error) {
        // The answer of a kernel that does not know the link. If it means something else, bpf_prog_attach repeats it.
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
   * `context` and writes it there, Linux 5.14. A `SEC("tc")` program sees `packet`, of at least 14 bytes, on the loopback device of the calling thread's network namespace. It takes the fields of struct __sk_buff from `context`.
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

  #attachRaw(event: string | null, target: string): Link {
    const what = `${this.name} to ${target}`
    const number = check(`attach ${what}`, () => ffi.bpf_raw_tracepoint_open(event, this.fd), {
      ENOENT: 'The kernel has no such tracepoint.',
    })
    return new Link(new Fd(number, what))
  }
}
