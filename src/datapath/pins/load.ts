/**
 * Loads the object of the data path. Some of its programs exist in more than one variant, of which exactly one is
 * loaded. The abilities of the kernel decide, never its version.
 */
import { join } from 'node:path'
import type { LoadedObject } from 'libbpf'
import { MeshaccelError } from '../../lib/errors.ts'
import { oldestKernel } from '../../lib/oldest-kernel.ts'
import { packageRoot } from '../../lib/package.ts'
import type { KernelTypes } from '../kernel-types.ts'

export const OBJECT_PATH: string = join(packageRoot, 'build/bpf/meshaccel.bpf.o')

/**
 * Exactly one of these two is loaded; it makes wanted ends join. `visit` runs inside one network namespace; Linux 7.3
 * refuses it. `visit_all` iterates over the records of all ends; some machines refuse iterators over the elements of
 * maps.
 */
export const VISITS = { visit: 'meshaccel_visit', visit_all: 'meshaccel_visit_all' } as const
type Visits = keyof typeof VISITS

/** The verdict reads kernel memory by `bpf_rdonly_cast` or, at more cost, by probes. */
export const VERDICTS = {
  byCast: 'meshaccel_verdict',
  byProbe: 'meshaccel_verdict_by_probe',
} as const

/** Receives are counted at the tracepoint `sock_recv_length` or, without it, at the return of these functions. */
export const RECEIVED = {
  tracepoint: 'meshaccel_received',
  v4: 'meshaccel_received_v4',
  v6: 'meshaccel_received_v6',
} as const

/** Tries both kinds of visits, because only a load tells whether the kernel takes one. */
export function loadDataPath(types: KernelTypes): LoadedObject {
  try {
    return loadWith(types, 'visit')
  } catch (cause) {
    try {
      return loadWith(types, 'visit_all')
    } catch {
      // Reports the first refusal: the second one may be specific to this machine.
      throw new MeshaccelError(cause instanceof Error ? cause.message : String(cause), {
        code: 'KERNEL_REFUSED',
        operation: 'load the data path',
        hint: `meshaccel needs Linux ${oldestKernel} or newer, and CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN.`,
        cause,
      })
    }
  }
}

function loadWith(types: KernelTypes, visits: Visits): LoadedObject {
  using open = types.open(OBJECT_PATH)
  for (const [name, source] of Object.entries(VISITS)) open.setAutoload(source, name === visits)
  const functions = types.functions(['bpf_rdonly_cast', 'inet_recvmsg', 'inet6_recvmsg'])
  const casts = functions.has('bpf_rdonly_cast')
  open.setAutoload(VERDICTS.byCast, casts)
  open.setAutoload(VERDICTS.byProbe, !casts)
  const traces = types.tracepoints(['sock_recv_length']).size > 0
  open.setAutoload(RECEIVED.tracepoint, traces)
  open.setAutoload(RECEIVED.v4, !traces)
  open.setAutoload(RECEIVED.v6, !traces && functions.has('inet6_recvmsg'))
  return types.load(open)
}
