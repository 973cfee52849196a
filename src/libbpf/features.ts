/** What this kernel can do, found by trying. Each answer costs a system call or a few; nothing is left behind. */
import { existsSync } from 'node:fs'
import { BPF_SK_MSG_VERDICT, MAP_TYPES, PROGRAM_TYPES } from './constants.ts'
import { check } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd } from './handle.ts'

export type ProgramType = keyof typeof PROGRAM_TYPES
export type MapType = keyof typeof MAP_TYPES

/** Throws when the probe itself fails, for instance without privileges. */
export function hasProgramType(type: ProgramType): boolean {
  return probe(`program type ${type}`, () =>
    ffi.libbpf_probe_bpf_prog_type(PROGRAM_TYPES[type], null),
  )
}

export function hasMapType(type: MapType): boolean {
  return probe(`map type ${type}`, () => ffi.libbpf_probe_bpf_map_type(MAP_TYPES[type], null))
}

/** `helper` is the number in `enum bpf_func_id`. TRACING programs cannot be asked (EOPNOTSUPP). */
export function hasHelper(type: ProgramType, helper: number): boolean {
  return probe(`helper ${helper} in ${type}`, () =>
    ffi.libbpf_probe_bpf_helper(PROGRAM_TYPES[type], helper, null),
  )
}

/** CO-RE, tp_btf and iterators need the kernel's BTF (CONFIG_DEBUG_INFO_BTF). */
export function hasKernelBtf(): boolean {
  return existsSync('/sys/kernel/btf/vmlinux')
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
  new Fd(number, 'probe link')[Symbol.dispose]()
  return true
}

function probe(what: string, call: () => number): boolean {
  return check(`probe ${what}`, call) === 1
}
