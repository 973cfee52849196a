/** The attachments of the data path, and how each is made. */

import { BpfError } from 'libbpf'
import type { Attachment, Link, LoadedObject, Program } from 'libbpf'
import { RECEIVED, VERDICTS } from './load.ts'

/** Returns what is to be pinned, or undefined if there is nothing to attach. */
type Attach = (object: LoadedObject, cgroupPath: string) => Pinnable | undefined

export type Pinnable = Pick<Attachment, 'pin'> & Disposable

/**
 * The attachments, in their order. Receive accounting comes before the first connection is watched. Watching comes
 * before any socket may join.
 */
export const ATTACHMENTS: Readonly<Record<string, Attach>> = {
  received: tracing(RECEIVED.tracepoint),
  received_v4: tracing(RECEIVED.v4),
  received_v6: tracing(RECEIVED.v6),
  closed: tracing('meshaccel_closed'),
  splice: (object) => attachKprobe(object, 'meshaccel_splice', 'tcp_splice_read'),
  splice_call: attachSpliceTracepoint,
  fionread: (object) => attachKprobe(object, 'meshaccel_fionread', 'tcp_ioctl'),
  // Some kernels have a function of its own for members.
  fionread_member: (object) => attachKprobe(object, 'meshaccel_fionread', 'tcp_bpf_ioctl'),
  verdict: attachVerdict,
  watch: (object, cgroupPath) => object.program('meshaccel_watch').attachCgroup(cgroupPath),
}

/** The attachments of the FIONREAD watch. Kernels whose answers are right do not need them. */
export const FIONREAD_WATCH: readonly string[] = ['fionread', 'fionread_member']

/** Attaches the program to what its section names, if this kernel has that and the program was loaded. */
function tracing(program: string): Attach {
  return (object) =>
    object.isLoaded(program) ? object.program(program).attachTracing() : undefined
}

/**
 * Attaches the verdict to the sockhash. Before Linux 6.10 the sockhash itself holds it, for as long as it exists. Then the
 * program is pinned in place of the link.
 */
function attachVerdict(object: LoadedObject): Pinnable {
  const name = object.isLoaded(VERDICTS.byCast) ? VERDICTS.byCast : VERDICTS.byProbe
  const program = object.program(name)
  const attachment = program.attachSkMsg(object.anyMap('meshaccel_members'))
  if (attachment.pinnable) return attachment
  attachment.disconnect()
  return program
}

/**
 * Attaches a watch as a kprobe, which costs nothing while no process has the habit. Returns undefined if the kernel has
 * no kprobes, or no such function.
 */
function attachKprobe(
  object: LoadedObject,
  program: string,
  symbol: string,
): Attachment | undefined {
  try {
    return object.program(program).attachKprobe(symbol)
  } catch (error) {
    if (!(error instanceof BpfError)) throw error
    return undefined
  }
}

/**
 * Attaches the splice watch as a tracepoint, which slows every system call of the node: see splice-watch.ts. Returns
 * undefined if the kprobe is attached, or if the kernel has no such tracepoint. In that case the self-test allows
 * proxies only.
 */
function attachSpliceTracepoint(object: LoadedObject, _cgroup: string): Attachment | undefined {
  try {
    return attachSpliceCall(object.program('meshaccel_splice_call'))
  } catch (error) {
    if (error instanceof BpfError && error.code === 'ENOENT') return undefined
    throw error
  }
}

export const attachSpliceCall = (program: Program): Link =>
  program.attachTracepoint('syscalls', 'sys_enter_splice')

export const attachIoctlCall = (program: Program): Link =>
  program.attachTracepoint('syscalls', 'sys_enter_ioctl')
