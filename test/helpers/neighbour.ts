import {
  BPF_CGROUP_SOCK_OPS,
  BPF_F_ALLOW_MULTI,
  BPF_F_ALLOW_OVERRIDE,
  PROGRAM_TYPES,
} from '../../packages/libbpf/src/constants.ts'
import { check } from '../../packages/libbpf/src/error.ts'
import * as ffi from '../../packages/libbpf/src/ffi.ts'
import { Fd } from '../../packages/libbpf/src/handle.ts'
import type { CgroupMode } from '../../packages/libbpf/src/info.ts'
import { openFd } from 'libbpf'

const flags: Readonly<Record<CgroupMode, number>> = {
  exclusive: 0,
  override: BPF_F_ALLOW_OVERRIDE,
  multi: BPF_F_ALLOW_MULTI,
}

/** Attaches a sockops program named `neighbour`, which does nothing, until disposed of. `dispose` is idempotent. */
export function attachNeighbour(cgroupPath: string, how: CgroupMode): Disposable {
  // r0 = 1; exit
  const code = Uint8Array.of(0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0)
  const program = new Fd(
    check('load a neighbour', () =>
      ffi.bpf_prog_load(PROGRAM_TYPES.SOCK_OPS, 'neighbour', 'GPL', code, 2, null),
    ),
    'neighbour',
  )
  const cgroup = openFd(cgroupPath)
  check('attach a neighbour', () =>
    ffi.bpf_prog_attach(program.number, cgroup.number, BPF_CGROUP_SOCK_OPS, flags[how]),
  )
  let attached = true
  return {
    [Symbol.dispose]: () => {
      if (!attached) return
      attached = false
      ffi.bpf_prog_detach2(program.number, cgroup.number, BPF_CGROUP_SOCK_OPS)
      cgroup[Symbol.dispose]()
      program[Symbol.dispose]()
    },
  }
}
