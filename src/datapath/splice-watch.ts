/** The watch on readers that turn to splice: breakpoints of the processors. */
import { endianness } from 'node:os'
import { BpfError, type Link, type LoadedObject, onlineCpus, TcpListener } from '../libbpf/index.ts'

/**
 * On every processor, or on none: without it the self-test allows only what sidecars read. Breakpoints cost nothing
 * where nobody splices; a tracepoint at the entry of splice would cost every system call of the node its short way,
 * and so each request 8 % of its time.
 */
export function watchSplice(object: LoadedObject): Link[] {
  const program = object.program('meshaccel_splice')
  const links: Link[] = []
  try {
    for (const address of spliceAddresses(object)) {
      for (const cpu of onlineCpus()) links.push(program.attachBreakpoint(address, cpu))
    }
    return links
  } catch (error) {
    for (const link of links) link[Symbol.dispose]()
    // No breakpoint is free, or the kernel or the hypervisor has none.
    if (error instanceof BpfError) return []
    throw error
  }
}

/** Where proto_ops.splice_read is, for TCP over IPv4 and IPv6: of sockets of our own. */
function spliceAddresses(object: LoadedObject): Set<bigint> {
  const listeners = ([4, 6] as const).flatMap((version) => listen(version))
  try {
    using iterator = object.program('meshaccel_stream_ops').attachIter()
    const output = iterator.iterate()
    const view = new DataView(output.buffer, output.byteOffset, output.length)
    const little = endianness() === 'LE'
    const addresses = new Set<bigint>()
    for (let at = 0; at + 16 <= output.length; at += 16) {
      const port = Number(view.getBigUint64(at, little))
      if (listeners.some((listener) => listener.port === port)) {
        addresses.add(view.getBigUint64(at + 8, little))
      }
    }
    return addresses
  } finally {
    for (const listener of listeners) listener[Symbol.dispose]()
  }
}

/** None where the host has no such loopback address. */
function listen(version: 4 | 6): TcpListener[] {
  try {
    return [TcpListener.open(version)]
  } catch (error) {
    if (error instanceof BpfError) return []
    throw error
  }
}
