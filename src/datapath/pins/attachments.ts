/** The attachments of the data path, and how each is made. */

import { BpfError } from 'libbpf'
import type { Attachment, Link, LoadedObject, Program } from 'libbpf'

/** Returns what is to be pinned, or undefined if there is nothing to attach. */
type Attach = (object: LoadedObject, cgroupPath: string) => Pinnable | undefined

export type Pinnable = Pick<Attachment, 'pin'> & Disposable

/**
 * The attachments, in their order. Receive accounting comes before the first connection is watched. Watching comes
 * before any socket may join.
 */
export const ATTACHMENTS: Readonly<Record<string, Attach>> = {
  received: (object) => object.program('meshaccel_received').attachTracing(),
  closed: (object) => object.program('meshaccel_closed').attachTracing(),
  splice: attachSpliceKprobe,
  splice_call: attachSpliceTracepoint,
  verdict: attachVerdict,
  watch: (object, cgroupPath) => object.program('meshaccel_watch').attachCgroup(cgroupPath),
}

/**
 * Attaches the verdict to the sockhash. Before Linux 6.10 the sockhash itself holds it, for as long as it exists. Then the
 * program is pinned in place of the link.
 */
function attachVerdict(object: LoadedObject): Pinnable {
  const program = object.program('meshaccel_verdict')
  const attachment = program.attachSkMsg(object.anyMap('meshaccel_members'))
  if (attachment.pinnable) return attachment
  attachment.disconnect()
  return program
}

/**
 * Attaches the splice watch as a kprobe, which costs nothing while no process splices. Returns undefined if the kernel
 * has no kprobes.
 */
function attachSpliceKprobe(object: LoadedObject): Attachment | undefined {
  try {
    return object.program('meshaccel_splice').attachKprobe('tcp_splice_read')
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
