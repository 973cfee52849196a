/** The kernel's facts about a descriptor: BPF_OBJ_GET_INFO_BY_FD, the members that every kernel since 5.15 has. */
import { text } from './codec.ts'
import {
  BPF_CGROUP_SOCK_OPS,
  BPF_F_ALLOW_MULTI,
  BPF_F_ALLOW_OVERRIDE,
  LITTLE,
} from './constants.ts'
import { check } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd } from './handle.ts'
import { openFd } from './libc.ts'

/** The kernel's facts about a map: struct bpf_map_info. Linux 4.15. */
export interface MapInfo {
  /** `enum bpf_map_type` */
  readonly type: number
  /** Unique among the maps of this kernel. */
  readonly id: number
  /** In bytes. */
  readonly keySize: number
  /** In bytes; of one CPU where the map is per CPU. */
  readonly valueSize: number
  /** How many elements fit; the bytes of a ring buffer. */
  readonly maxEntries: number
  /** Cut to 15 characters by the kernel. */
  readonly name: string
}

/** The kernel's facts about a program: struct bpf_prog_info. Linux 4.13; the counters 5.1. */
export interface ProgramInfo {
  /** `enum bpf_prog_type` */
  readonly type: number
  /** Unique among the programs of this kernel. */
  readonly id: number
  /** A hash of the instructions, 16 hexadecimal digits: equal code has equal tags. */
  readonly tag: string
  /** Cut to 15 characters by the kernel. */
  readonly name: string
  /** Counted only while kernel.bpf_stats_enabled is 1. */
  readonly runTimeNs: bigint
  /** Counted only while kernel.bpf_stats_enabled is 1. */
  readonly runCount: bigint
}

/** The kernel's facts about a link: struct bpf_link_info. Linux 5.8. */
export interface LinkInfo {
  /** `enum bpf_link_type` */
  readonly type: number
  /** Unique among the links of this kernel. */
  readonly id: number
  /** The id of the program that it attaches, as it is now. */
  readonly programId: number
}

/** `size` zeroed bytes, filled as far as the kernel's struct goes. */
function info(fd: Fd, size: number): DataView {
  const buffer = new Uint8Array(size)
  check(`inspect ${fd.what}`, () =>
    ffi.bpf_obj_get_info_by_fd(fd.number, buffer, Uint32Array.of(size)),
  )
  return new DataView(buffer.buffer)
}

/** struct bpf_map_info */
export function mapInfo(fd: Fd): MapInfo {
  const view = info(fd, 80)
  return {
    type: view.getUint32(0, LITTLE),
    id: view.getUint32(4, LITTLE),
    keySize: view.getUint32(8, LITTLE),
    valueSize: view.getUint32(12, LITTLE),
    maxEntries: view.getUint32(16, LITTLE),
    name: text(16).decode(view, 24),
  }
}

/** struct bpf_prog_info */
export function programInfo(fd: Fd): ProgramInfo {
  const view = info(fd, 208)
  const raw = Buffer.from(view.buffer)
  return {
    type: view.getUint32(0, LITTLE),
    id: view.getUint32(4, LITTLE),
    tag: raw.toString('hex', 8, 16),
    name: text(16).decode(view, 64),
    runTimeNs: view.getBigUint64(192, LITTLE),
    runCount: view.getBigUint64(200, LITTLE),
  }
}

/** struct bpf_link_info */
export function linkInfo(fd: Fd): LinkInfo {
  const view = info(fd, 16)
  return {
    type: view.getUint32(0, LITTLE),
    id: view.getUint32(4, LITTLE),
    programId: view.getUint32(8, LITTLE),
  }
}

/** Every program that is loaded in this kernel; needs CAP_SYS_ADMIN. A program that goes away meanwhile is left out. */
export function loadedPrograms(): ProgramInfo[] {
  const programs: ProgramInfo[] = []
  const next = new Uint32Array(1)
  while (ffi.bpf_prog_get_next_id(next[0] ?? 0, next) === 0) {
    programs.push(...programOfId(next[0] ?? 0))
  }
  return programs
}

/** The program of this id, or nothing if it has gone. */
function programOfId(id: number): readonly ProgramInfo[] {
  const number = ffi.bpf_prog_get_fd_by_id(id)
  if (number < 0) return []
  using fd = new Fd(number, `program ${id}`)
  return [programInfo(fd)]
}

/**
 * How programs of one type are attached to a cgroup. `multi` allows any number of others. `override` lasts until another one is attached below. `exclusive` allows none below.
 */
export type CgroupMode = 'multi' | 'override' | 'exclusive'

/** The programs of one type that are attached to a cgroup. */
export interface CgroupPrograms {
  /** How the first was attached; `exclusive` too when there is none. */
  readonly mode: CgroupMode
  /** In the order in which the kernel runs them. */
  readonly programs: readonly ProgramInfo[]
}

/** The kernel allows 64 programs of one type for a cgroup. */
const CGROUP_PROGRAMS_MAX = 64

/** Lists the programs that are attached to this very cgroup v2 directory. Needs CAP_NET_ADMIN. Linux 4.15. */
export function cgroupPrograms(
  path: string,
  attachType: number = BPF_CGROUP_SOCK_OPS,
): CgroupPrograms {
  using cgroup = openFd(path, 'Give a directory of the cgroup v2 hierarchy.')
  const flags = new Uint32Array(1)
  const ids = new Uint32Array(CGROUP_PROGRAMS_MAX)
  const count = Uint32Array.of(ids.length)
  check(`query the programs of cgroup ${path}`, () =>
    ffi.bpf_prog_query(cgroup.number, attachType, 0, flags, ids, count),
  )
  const [flag = 0] = flags
  const shared = flag & BPF_F_ALLOW_MULTI ? 'multi' : 'exclusive'
  return {
    mode: flag & BPF_F_ALLOW_OVERRIDE ? 'override' : shared,
    programs: [...ids.subarray(0, count[0])].flatMap(programOfId),
  }
}
