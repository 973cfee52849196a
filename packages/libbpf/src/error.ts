import { constants } from 'node:os'
import { LibbpfError } from './base-error.ts'
import * as ffi from './ffi.ts'
import { startLog, takeLog } from './log.ts'

/** Names of errno values that Node does not know: the kernel's own, and libbpf's. */
const OTHER_NAMES: Readonly<Record<number, string>> = {
  524: 'ENOTSUPP',
  4000: 'LIBELF',
  4001: 'FORMAT',
  4002: 'KVERSION',
  4003: 'ENDIAN',
  4004: 'INTERNAL',
  4005: 'RELOC',
  4006: 'LOAD',
  4007: 'VERIFY',
  4008: 'PROG2BIG',
  4009: 'KVER',
  4010: 'PROGTYPE',
  4011: 'WRNGPID',
  4012: 'INVSEQ',
  4013: 'NLPARSE',
}

const NAMES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(constants.errno).map(([name, value]): [number, string] => [value, name]),
  [constants.errno.EAGAIN, 'EAGAIN'],
  [constants.errno.EOPNOTSUPP, 'EOPNOTSUPP'],
  ...Object.entries(OTHER_NAMES).map(([value, name]): [number, string] => [Number(value), name]),
])

/** The next step, where the errno alone tells it. An operation with a better idea passes its own. */
const HINTS: Readonly<Record<string, string>> = {
  EPERM:
    'Run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; in a container the seccomp profile must allow bpf(2). ' +
    'Some kernels refuse some kinds of programs to root too: fentry, LSM, iterators over elements of maps.',
  ENOENT: 'It does not exist: for a pin, check that bpffs is mounted and that the pin was made.',
  EEXIST: 'Something of this name is there already: remove it or open it instead.',
  E2BIG:
    'Too big: a program over the instruction limit, a full map, or an iterator element that writes more than fits.',
  ENOTSUPP:
    'This kernel does not support the operation: it is too old, or it was built without it.',
  EOPNOTSUPP: 'This kernel, or this kind of map or program, does not support the operation.',
  EINVAL: 'The kernel does not know this combination: often it is too old for it.',
  EBUSY: 'Another program is attached there and does not share: `bpftool link show` names it.',
  ENOMEM: 'The kernel has no memory for it: on kernels before 5.11 raise RLIMIT_MEMLOCK.',
  ENOSPC: 'The map or the array is full: raise its max_entries.',
  ESRCH: 'There is no such process, or the BTF of the kernel has no such function or tracepoint.',
  EXDEV: 'A pin must lie on bpffs: mount it with `mount -t bpf bpf /sys/fs/bpf`.',
  FORMAT: 'The file is not a BPF object that libbpf understands.',
  LIBELF: 'The file is not an ELF object: build it with clang -target bpf.',
}

const RETRYABLE: ReadonlySet<string> = new Set(['EAGAIN', 'EINTR', 'EBUSY', 'ENOMEM'])

/** The name of an errno value: `EINVAL`, or `ERRNO_999` when nobody has named it. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `ERRNO_${errno}`
}

function errnoText(errno: number): string {
  if (errno === 524) return 'Operation is not supported'
  const buffer = Buffer.alloc(256)
  ffi.libbpf_strerror(errno, buffer, buffer.length)
  return buffer.toString('utf8', 0, buffer.indexOf(0))
}

/** A call into libbpf or the kernel that failed: `attach sk_msg to sockhash: EINVAL: Invalid argument`. */
export class BpfError extends LibbpfError {
  override readonly name: string = 'BpfError'
  /** A positive errno value; the kernel's ENOTSUPP (524) and libbpf's own (from 4000) included. */
  readonly errno: number
  /** libbpf's messages about it, possibly empty. */
  readonly log: string

  constructor(operation: string, errno: number, options: BpfErrorOptions = {}) {
    const code = errnoName(errno)
    const detail = options.detail === undefined ? '' : `: ${options.detail}`
    super(`${code}: ${errnoText(errno)}${detail}`, {
      code,
      operation,
      hint: (typeof options.hint === 'object' ? options.hint[code] : options.hint) ?? HINTS[code],
      retryable: RETRYABLE.has(code),
    })
    this.errno = errno
    this.log = options.log ?? ''
  }
}

/** The next step: one for every errno, or one by its name. */
export type Hint = string | Readonly<Record<string, string>>

/** The parts of a BpfError besides operation and errno. */
export interface BpfErrorOptions {
  /** By default one that the errno alone suggests. */
  readonly hint?: Hint | undefined
  /** libbpf's messages. */
  readonly log?: string
  /** Ends the message. */
  readonly detail?: string | undefined
}

/** A program that the verifier refused; `verifierLog` is all it said, `usefulLine` why. */
export class VerifierError extends BpfError {
  override readonly name: string = 'VerifierError'
  /** The program's name in the object. */
  readonly program: string
  /** All that the verifier said, with the instructions that it followed. */
  readonly verifierLog: string
  /** The line that says why; the message ends with it. */
  readonly usefulLine: string

  constructor(program: string, errno: number, verifierLog: string, log: string) {
    const usefulLine = usefulVerifierLine(verifierLog)
    super(`load program ${program}`, errno, {
      detail: usefulLine,
      log,
      hint: 'The verifier refused the program; `verifierLog` of the error has the instructions before.',
    })
    this.program = program
    this.verifierLog = verifierLog
    this.usefulLine = usefulLine
  }
}

/** The last line that says something about the program, before the verifier's statistics. */
export function usefulVerifierLine(verifierLog: string): string {
  const lines = verifierLog.split('\n').map((line) => line.trim())
  const statistics = lines.findLastIndex((line) => /^processed \d+ insns/.test(line))
  const before = statistics < 0 ? lines : lines.slice(0, statistics)
  return (
    before.findLast((line) => line !== '' && !/^(verification time|stack depth)/.test(line)) ?? ''
  )
}

const PROGRAM_LOG = /prog '([^']+)': -- BEGIN PROG LOAD LOG --\n([^]*?)-- END PROG LOAD LOG --/

/** The error of a failed load: a VerifierError when the log holds the verifier's words. */
export function loadError(operation: string, errno: number, log: string): BpfError {
  const match = PROGRAM_LOG.exec(log)
  if (match?.[1] !== undefined && match[2] !== undefined) {
    return new VerifierError(match[1], errno, match[2], log)
  }
  return new BpfError(operation, errno, { log, detail: lastLine(log) })
}

/** The last line that says something: libbpf ends each failed load with one that does not. */
function lastLine(log: string): string | undefined {
  const line = log
    .split('\n')
    .findLast((words) => words !== '' && !words.startsWith('libbpf: failed to load object'))
  return line?.replace(/^libbpf: /, '')
}

/** Runs a call that returns -errno on failure, and throws that as a BpfError. */
export function check(operation: string, call: () => number, hint?: Hint): number {
  startLog()
  const result = call()
  if (result < 0) throw new BpfError(operation, -result, { log: takeLog(), hint })
  return result
}

/** Runs a call that returns NULL and sets errno on failure, and throws that as a BpfError. */
export function checkPointer<P>(operation: string, call: () => P | null, hint?: Hint): P {
  startLog()
  const result = call()
  if (result === null) {
    const errno = ffi.errno()
    const log = takeLog()
    throw new BpfError(operation, errno, { log, detail: lastLine(log), hint })
  }
  return result
}

/** Runs a libc call that returns -1 and sets errno on failure, and throws that as a BpfError. */
export function checkLibc(operation: string, call: () => number, hint?: Hint): number {
  const result = call()
  if (result < 0) throw new BpfError(operation, ffi.errno(), { hint })
  return result
}

/** Runs one of Node's own system calls, and throws its failure as a BpfError. */
export function checkNode<T>(operation: string, call: () => T, hint?: Hint): T {
  try {
    return call()
  } catch (error) {
    throw nodeError(operation, error, hint)
  }
}

/** A failed system call of Node's as a BpfError; any other error as it is. */
export function nodeError(operation: string, error: unknown, hint?: Hint): unknown {
  if (error instanceof Error && 'errno' in error && typeof error.errno === 'number') {
    return new BpfError(operation, -error.errno, { hint })
  }
  return error
}
