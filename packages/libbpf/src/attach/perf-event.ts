/** Events of perf_event_open(2) that programs are linked to: tracepoints, probes, and a clock. */
import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BPF_PERF_EVENT, LITTLE } from '../constants.ts'
import { checkLibc, checkNode, type Hint } from '../error.ts'
import * as ffi from '../ffi.ts'
import { Fd } from '../handle.ts'
import { mountFileSystem, unmountFileSystem } from '../libc.ts'
import { createLink, type HasFd, type Link } from '../link.ts'

const SYS_PERF_EVENT_OPEN: Readonly<Partial<Record<NodeJS.Architecture, number>>> = {
  x64: 298,
  arm64: 241,
  riscv64: 241,
}
const PERF_EVENT_IOC_ENABLE = 0x2400
const PERF_TYPE_SOFTWARE = 1
const PERF_TYPE_TRACEPOINT = 2
const PERF_COUNT_SW_CPU_CLOCK = 0
const PERF_FLAG_FD_CLOEXEC = 8
/** Bit `freq` of the flags: sample_period is a frequency. */
const FREQUENCY = 1n << 10n
/** struct perf_event_attr up to config2, which every kernel takes. */
const ATTR_BYTES = 72
const DEVICES = '/sys/bus/event_source/devices'

interface Event {
  readonly type: number
  readonly config?: bigint
  readonly config1?: bigint
  readonly config2?: bigint
  readonly frequencyHz?: number
  /** -1: all processes. */
  readonly pid?: number
  /** -1: the process on any CPU. */
  readonly cpu?: number
  readonly hint?: Hint
}

/**
 * Opens the event and links the program to it. Not through libbpf, whose links disable the event when they are let go,
 * pinned or not. The link holds the event: it goes on when our descriptor is closed, and ends with the link.
 */
function attach(program: HasFd, what: string, event: Event): Link {
  const attr = new Uint8Array(ATTR_BYTES)
  const view = new DataView(attr.buffer)
  view.setUint32(0, event.type, LITTLE)
  view.setUint32(4, ATTR_BYTES, LITTLE)
  view.setBigUint64(8, event.config ?? 0n, LITTLE)
  view.setBigUint64(16, BigInt(event.frequencyHz ?? 0), LITTLE)
  view.setBigUint64(40, event.frequencyHz === undefined ? 0n : FREQUENCY, LITTLE)
  view.setBigUint64(56, event.config1 ?? 0n, LITTLE)
  view.setBigUint64(64, event.config2 ?? 0n, LITTLE)
  const open = (): number =>
    ffi.perf_event_open(
      SYS_PERF_EVENT_OPEN[process.arch] ?? -1,
      'void *',
      attr,
      'int',
      event.pid ?? -1,
      'int',
      event.cpu ?? 0,
      'int',
      -1,
      'long',
      PERF_FLAG_FD_CLOEXEC,
    )
  using fd = new Fd(checkLibc(`attach ${what}`, open, event.hint), what)
  const link = createLink(what, program, fd.number, BPF_PERF_EVENT)
  try {
    checkLibc(`enable ${what}`, () => ffi.ioctl_int(fd.number, PERF_EVENT_IOC_ENABLE, 'int', 0))
  } catch (error) {
    link[Symbol.dispose]()
    throw error
  }
  return link
}

/** Attaches to `category/event` of tracefs, for all processes on all CPUs. */
export function attachTracepoint(program: HasFd, name: string, tracepoint: string): Link {
  const what = `${name} to tracepoint ${tracepoint}`
  const id = inTracefs((root) =>
    readNumber(what, join(root, 'events', tracepoint, 'id'), 'The kernel has no such event.'),
  )
  // Seen from CPU 0: the program runs on whichever CPU the event happens. The same goes for probes.
  return attach(program, what, { type: PERF_TYPE_TRACEPOINT, config: BigInt(id) })
}

/** Attaches to the entry of a kernel function, or to its return. */
export function attachKprobe(
  program: HasFd,
  name: string,
  symbol: string,
  atReturn: boolean,
): Link {
  const what = `${name} to ${atReturn ? 'kretprobe' : 'kprobe'} ${symbol}`
  const text = Buffer.from(`${symbol}\0`)
  return attach(program, what, {
    type: readNumber(
      what,
      `${DEVICES}/kprobe/type`,
      'This kernel has no kprobes (CONFIG_KPROBE_EVENTS). A tracepoint may do instead.',
    ),
    config: atReturn ? returnBit(what, 'kprobe') : 0n,
    config1: ffi.addressOf(text),
    hint: {
      ENOENT: 'The kernel has no such function, or it is inlined: look into /proc/kallsyms.',
    },
  })
}

/** Attaches to an instruction of a file, or to the return of the function that begins there. */
export function attachUprobe(
  program: HasFd,
  name: string,
  place: {
    readonly file: string
    readonly offset: bigint
    readonly atReturn: boolean
    readonly pid: number | undefined
  },
): Link {
  const { file, offset, atReturn, pid } = place
  const what = `${name} to ${atReturn ? 'uretprobe' : 'uprobe'} ${file}+0x${offset.toString(16)}`
  const path = Buffer.from(`${file}\0`)
  return attach(program, what, {
    type: readNumber(
      what,
      `${DEVICES}/uprobe/type`,
      'This kernel has no uprobes (CONFIG_UPROBE_EVENTS).',
    ),
    config: atReturn ? returnBit(what, 'uprobe') : 0n,
    config1: ffi.addressOf(path),
    config2: offset,
    ...(pid === undefined ? {} : { pid, cpu: -1 }),
    hint: { ENOENT: 'There is no such file.', EINVAL: 'The offset must lie in the file’s code.' },
  })
}

/** Attaches to a clock that samples one CPU, or one process on whichever CPU it runs. */
export function attachClock(
  program: HasFd,
  name: string,
  on: { readonly cpu: number } | { readonly pid: number },
  frequencyHz: number,
): Link {
  const where = 'pid' in on ? `process ${on.pid}` : `CPU ${on.cpu}`
  return attach(program, `${name} to a clock of ${where}`, {
    type: PERF_TYPE_SOFTWARE,
    config: BigInt(PERF_COUNT_SW_CPU_CLOCK),
    frequencyHz,
    ...('pid' in on ? { pid: on.pid, cpu: -1 } : { cpu: on.cpu }),
    hint: {
      EINVAL: 'There is no such CPU, or the frequency is over kernel.perf_event_max_sample_rate.',
      ENODEV: 'There is no such CPU, or it is offline.',
      ESRCH: 'There is no such process.',
    },
  })
}

/** Looks into tracefs: where it is mounted, or mounted for the moment, because containers often lack it. */
function inTracefs<T>(look: (root: string) => T): T {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
  const mounted = /^(?:\S+ ){4}(\S+) .* - tracefs /m.exec(mounts)?.[1]
  if (mounted !== undefined) return look(mounted)
  const root = mkdtempSync(join(tmpdir(), 'tracefs-'))
  try {
    mountFileSystem('tracefs', root)
    try {
      return look(root)
    } finally {
      unmountFileSystem(root)
    }
  } finally {
    rmdirSync(root)
  }
}

function readNumber(what: string, path: string, hint: string): number {
  return Number(checkNode(`attach ${what}: read ${path}`, () => readFileSync(path, 'utf8'), hint))
}

/** The bit of `config` that asks for the return instead of the entry: `config:0`. */
function returnBit(what: string, device: 'kprobe' | 'uprobe'): bigint {
  const path = `${DEVICES}/${device}/format/retprobe`
  const format = checkNode(`attach ${what}: read ${path}`, () => readFileSync(path, 'utf8'))
  return 1n << BigInt(/config:(\d+)/.exec(format)?.[1] ?? 0)
}
