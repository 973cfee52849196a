import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs'
import { endianness, tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkLibc, checkNode } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd } from './handle.ts'

const LITTLE = endianness() === 'LE'
const SYS_PERF_EVENT_OPEN: Readonly<Partial<Record<NodeJS.Architecture, number>>> = {
  x64: 298,
  arm64: 241,
  riscv64: 241,
}
const PERF_TYPE_TRACEPOINT = 2
const PERF_FLAG_FD_CLOEXEC = 8
const MNT_DETACH = 2
const PERF_TYPE_BREAKPOINT = 5
/** HW_BREAKPOINT_RW: x86 has none for reading alone. */
const HW_BREAKPOINT_RW = 3
const BREAKPOINT_BYTES = 8n
/** struct perf_event_attr up to config2, which every kernel takes. */
const ATTR_BYTES = 72

/** What a perf event is about. */
export type PerfEventSource =
  | { readonly tracepoint: string }
  | { readonly kprobe: string }
  /** Access to eight bytes of the kernel on one processor. */
  | { readonly breakpoint: bigint; readonly cpu: number }

/**
 * Opens a tracepoint (`category/event`), the entry of a kernel function or a breakpoint of the processor as a perf
 * event, for a program to be linked to. Not through libbpf, whose links disable the event when they are let go, pinned
 * or not.
 */
export function openPerfEvent(what: string, source: PerfEventSource): Fd {
  const attr = new Uint8Array(ATTR_BYTES)
  const view = new DataView(attr.buffer)
  view.setUint32(4, ATTR_BYTES, LITTLE)
  const symbol = Buffer.from('kprobe' in source ? `${source.kprobe}\0` : '')
  if ('kprobe' in source) {
    view.setUint32(0, readNumber(what, '/sys/bus/event_source/devices/kprobe/type'), LITTLE)
    view.setBigUint64(56, ffi.addressOf(symbol), LITTLE)
  } else if ('tracepoint' in source) {
    view.setUint32(0, PERF_TYPE_TRACEPOINT, LITTLE)
    const { tracepoint } = source
    const id = inTracefs((root) => readNumber(what, join(root, 'events', tracepoint, 'id')))
    view.setBigUint64(8, BigInt(id), LITTLE)
  } else {
    view.setUint32(0, PERF_TYPE_BREAKPOINT, LITTLE)
    // sample_period, bp_type, bp_addr, bp_len
    view.setBigUint64(16, 1n, LITTLE)
    view.setUint32(52, HW_BREAKPOINT_RW, LITTLE)
    view.setBigUint64(56, source.breakpoint, LITTLE)
    view.setBigUint64(64, BREAKPOINT_BYTES, LITTLE)
  }
  const number = checkLibc(`attach ${what}`, () =>
    ffi.perf_event_open(
      SYS_PERF_EVENT_OPEN[process.arch] ?? -1,
      'void *',
      attr,
      'int',
      -1,
      'int',
      // All processes. Programs of tracepoints and kprobes run on whichever CPU the event happens.
      'cpu' in source ? source.cpu : 0,
      'int',
      -1,
      'long',
      PERF_FLAG_FD_CLOEXEC,
    ),
  )
  return new Fd(number, what)
}

/** Looks into tracefs: where it is mounted, or mounted for the moment, because containers often lack it. */
function inTracefs<T>(look: (root: string) => T): T {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
  const mounted = /^(?:\S+ ){4}(\S+) .* - tracefs /m.exec(mounts)?.[1]
  if (mounted !== undefined) return look(mounted)
  const root = mkdtempSync(join(tmpdir(), 'tracefs-'))
  try {
    checkLibc('mount tracefs', () => ffi.mount('tracefs', root, 'tracefs', 0, null))
    try {
      return look(root)
    } finally {
      checkLibc('unmount tracefs', () => ffi.umount2(root, MNT_DETACH))
    }
  } finally {
    rmdirSync(root)
  }
}

function readNumber(what: string, path: string): number {
  const text = checkNode(
    `attach ${what}: read ${path}`,
    () => readFileSync(path, 'utf8'),
    'The kernel has no such event.',
  )
  return Number(text)
}
