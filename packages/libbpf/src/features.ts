/** The abilities of this kernel, found by trying. Each answer costs a system call or a few; nothing is left behind. */
import { closeSync, existsSync } from 'node:fs'
import { text, u32 } from './codec.ts'
import { BPF_SK_MSG_VERDICT, MAP_TYPES, PROGRAM_TYPES } from './constants.ts'
import { LibbpfError } from './base-error.ts'
import { BpfError, check, checkPointer, errnoName } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd } from './handle.ts'
import { KERNEL_BTF_PATH } from './kernel-types/kernel-btf.ts'

const BTF_KIND_TYPEDEF = 8
const BTF_KIND_FUNC = 12

/** A name of `enum bpf_prog_type` without its prefix: `SK_MSG`. */
export type ProgramType = keyof typeof PROGRAM_TYPES
/** A name of `enum bpf_map_type` without its prefix: `SOCKHASH`. */
export type MapType = keyof typeof MAP_TYPES

/** Whether programs of this type can be loaded. Throws a BpfError when the probe itself fails: EPERM without privileges. */
export function hasProgramType(type: ProgramType): boolean {
  return probe(`program type ${type}`, () =>
    ffi.libbpf_probe_bpf_prog_type(PROGRAM_TYPES[type], null),
  )
}

/** Whether maps of this type can be made. Throws a BpfError when the probe itself fails: EPERM without privileges. */
export function hasMapType(type: MapType): boolean {
  return probe(`map type ${type}`, () => ffi.libbpf_probe_bpf_map_type(MAP_TYPES[type], null))
}

/** Program types that load without a target and special flags, so that a helper can be tried in them. */
export type HelperProgramType = Exclude<
  ProgramType,
  | 'CGROUP_SOCK_ADDR'
  | 'CGROUP_SOCKOPT'
  | 'LSM'
  | 'NETFILTER'
  | 'SK_LOOKUP'
  | 'STRUCT_OPS'
  | 'SYSCALL'
  | 'TRACING'
>

/**
 * Whether programs of this type may call the helper with this number in `enum bpf_func_id`. Not by libbpf's own probe,
 * which before 1.5 takes the words of kernels since 6.10 for a yes.
 */
export function hasHelper(type: HelperProgramType, helper: number): boolean {
  // call helper; exit
  const code = new Uint8Array(16)
  code[0] = 0x85
  u32.encode(helper, new DataView(code.buffer), 4)
  code[8] = 0x95
  const log = Buffer.alloc(4096)
  const number = ffi.bpf_prog_load(PROGRAM_TYPES[type], 'probe', 'GPL', code, 2, {
    sz: ffi.sizeofOpts('bpf_prog_load_opts'),
    log_level: 1,
    log_size: log.length,
    log_buf: log,
  })
  if (number >= 0) {
    closeSync(number)
    return true
  }
  const words = text(log.length).decode(new DataView(log.buffer, log.byteOffset, log.length), 0)
  // The verifier looks at the arguments of a helper only when the program may call it.
  if (words !== '') return !/invalid func |unknown func |cannot use helper /.test(words)
  throw new BpfError(`probe helper ${helper} in ${type}`, -number)
}

/**
 * The errno name of what becomes of a smallest map, undefined where it can be made: whether bpf(2) is allowed at all.
 * `NO_LIBRARY` where libbpf.so.1 cannot be loaded.
 */
export function probeBpf(): string | undefined {
  try {
    const number = ffi.bpf_map_create(MAP_TYPES.ARRAY, 'probe', 4, 4, 1, null)
    if (number < 0) return errnoName(-number)
    closeSync(number)
    return undefined
  } catch (error) {
    if (error instanceof LibbpfError && error.code === 'NO_LIBRARY') return error.code
    throw error
  }
}

/**
 * Whether /sys/kernel/btf/vmlinux is there. CO-RE, tp_btf and iterators need the kernel's BTF (CONFIG_DEBUG_INFO_BTF).
 * `kernelBtf` finds it without that file.
 */
export function hasKernelBtf(): boolean {
  return existsSync(KERNEL_BTF_PATH)
}

/**
 * Which of these functions the kernel's BTF describes, so that fentry and fexit may attach to them. Programs may call a
 * kfunc. `kernelBtf` is the BTF of a kernel that hides its file. Throws a BpfError if the kernel has no BTF.
 */
export function kernelFunctions(
  names: readonly string[],
  kernelBtf?: Uint8Array,
): ReadonlySet<string> {
  return inKernelBtf(names, BTF_KIND_FUNC, '', kernelBtf)
}

/** Like `kernelFunctions`: which of these tracepoints the kernel's BTF describes, so that tp_btf may attach to them. */
export function kernelTracepoints(
  names: readonly string[],
  kernelBtf?: Uint8Array,
): ReadonlySet<string> {
  return inKernelBtf(names, BTF_KIND_TYPEDEF, 'btf_trace_', kernelBtf)
}

function inKernelBtf(
  names: readonly string[],
  kind: number,
  prefix: string,
  kernelBtf: Uint8Array | undefined,
): ReadonlySet<string> {
  const btf = checkPointer("read the kernel's BTF", () =>
    kernelBtf === undefined
      ? ffi.btf__parse(KERNEL_BTF_PATH, null)
      : ffi.btf__new(kernelBtf, kernelBtf.length),
  )
  try {
    return new Set(names.filter((name) => ffi.btf__find_by_name_kind(btf, prefix + name, kind) > 0))
  } finally {
    ffi.btf__free(btf)
  }
}

/** Whether a sk_msg program is put on a sockmap by a link, which can be pinned. Linux 6.10. */
export function hasSockmapLink(): boolean {
  // r0 = SK_PASS; exit
  const code = Uint8Array.of(0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0)
  using program = new Fd(
    check('probe sockmap links', () =>
      ffi.bpf_prog_load(PROGRAM_TYPES.SK_MSG, 'probe', 'GPL', code, 2, null),
    ),
    'probe program',
  )
  using map = new Fd(
    check('probe sockmap links', () =>
      ffi.bpf_map_create(MAP_TYPES.SOCKHASH, 'probe', 4, 4, 1, null),
    ),
    'probe map',
  )
  const number = ffi.bpf_link_create(program.number, map.number, BPF_SK_MSG_VERDICT, null)
  if (number < 0) return false
  closeSync(number)
  return true
}

function probe(what: string, call: () => number): boolean {
  return check(`probe ${what}`, call) === 1
}
