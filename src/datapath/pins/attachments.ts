/** What is attached of the data path, and how. */

import { BpfError } from 'libbpf'
import type { Attachment, Link, LoadedObject, Program } from 'libbpf'

type Attach = (object: LoadedObject, cgroupPath: string) => Attachment | undefined

/**
 * What is attached, in this order: readers are accounted for before the first connection is watched, and sockets watched
 * before any may join.
 */
export const ATTACHMENTS: Readonly<Record<string, Attach>> = {
  received: (object) => object.program('meshaccel_received').attachTracing(),
  closed: (object) => object.program('meshaccel_closed').attachTracing(),
  splice: attachSpliceKprobe,
  splice_call: attachSpliceTracepoint,
  verdict: (object) =>
    object.program('meshaccel_verdict').attachSkMsg(object.anyMap('meshaccel_members'), 'link'),
  watch: (object, cgroupPath) => object.program('meshaccel_watch').attachCgroup(cgroupPath),
}
/** The splice watch that costs nothing where nobody splices. undefined where the kernel has no kprobes. */
function attachSpliceKprobe(object: LoadedObject): Attachment | undefined {
  try {
    return object.program('meshaccel_splice').attachKprobe('tcp_splice_read')
  } catch (error) {
    if (!(error instanceof BpfError)) throw error
    return undefined
  }
}

/**
 * The other one, which costs every system call of the node: splice-watch.ts. undefined where the first one is attached,
 * or where the kernel has no such tracepoint: then the self-test allows only what sidecars read.
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
