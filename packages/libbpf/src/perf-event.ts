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
/** struct perf_event_attr up to config2, which every kernel takes. */
const ATTR_BYTES = 72
const MNT_DETACH = 2

/**
 * Opens a tracepoint (`category/event`) or the entry of a kernel function as a perf event, for a program to be linked
 * to. Not through libbpf, whose links disable the event when they are let go, pinned or not.
 */
export function openPerfEvent(
  what: string,
  event: { tracepoint: string } | { kprobe: string },
): Fd {
  const attr = new Uint8Array(ATTR_BYTES)
  const view = new DataView(attr.buffer)
  view.setUint32(4, ATTR_BYTES, LITTLE)
  const symbol = Buffer.from('kprobe' in event ? `${event.kprobe}\0` : '')
  if ('kprobe' in event) {
    view.setUint32(0, readNumber(what, '/sys/bus/event_source/devices/kprobe/type'), LITTLE)
    view.setBigUint64(56, ffi.addressOf(symbol), LITTLE)
  } else {
    view.setUint32(0, PERF_TYPE_TRACEPOINT, LITTLE)
    const { tracepoint } = event
    const id = inTracefs((root) => readNumber(what, join(root, 'events', tracepoint, 'id')))
    view.setBigUint64(8, BigInt(id), LITTLE)
  }
  // All processes, seen from CPU 0: the program runs on whichever CPU the event happens.
  const number = checkLibc(`attach ${what}`, () =>
    ffi.perf_event_open(
      SYS_PERF_EVENT_OPEN[process.arch] ?? -1,
      'void *',
      attr,
      'int',
      -1,
      'int',
      0,
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
