/** The maps that an object declares in its section .maps, as BTF has them (libbpf's __uint and __type). */

import type { Btf } from './btf.ts'

/** enum bpf_map_type of linux/bpf.h, without the prefix, in its order; numbers never change. */
const TYPES = (
  'UNSPEC HASH ARRAY PROG_ARRAY PERF_EVENT_ARRAY PERCPU_HASH PERCPU_ARRAY STACK_TRACE CGROUP_ARRAY LRU_HASH ' +
  'LRU_PERCPU_HASH LPM_TRIE ARRAY_OF_MAPS HASH_OF_MAPS DEVMAP SOCKMAP CPUMAP XSKMAP SOCKHASH CGROUP_STORAGE ' +
  'REUSEPORT_SOCKARRAY PERCPU_CGROUP_STORAGE QUEUE STACK SK_STORAGE DEVMAP_HASH STRUCT_OPS RINGBUF INODE_STORAGE ' +
  'TASK_STORAGE BLOOM_FILTER USER_RINGBUF CGRP_STORAGE ARENA'
).split(' ')

/** A type of the BTF, or so many bytes. */
type Side = { readonly type: number } | { readonly bytes: number }

export interface MapDefinition {
  /** `HASH`; the number of one that this version does not know. */
  readonly type: string
  /** 0 where the program that loads it says. */
  readonly maxEntries: number
  /** Absent where the map has none, as a ring buffer. */
  readonly key?: Side
  readonly value?: Side
}

/** By name, in the order of the names: that of the section depends on the linker. */
export function mapDefinitions(btf: Btf): ReadonlyMap<string, MapDefinition> {
  const found = [...btf.globals()]
    .filter(({ section }) => section === '.maps')
    .map(({ name, type }) => [name, definition(btf, type)] as const)
  return new Map(found.toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

function definition(btf: Btf, id: number): MapDefinition {
  const struct = btf.typeAt(id)
  const members = struct.kind === 'struct' ? struct.members : []
  const pointee = (name: string): number | undefined => {
    const member = members.find((one) => one.name === name)
    const pointer = member && btf.typeAt(member.type)
    return pointer?.kind === 'pointer' ? pointer.to : undefined
  }
  const number = (name: string): number | undefined => {
    const array = pointee(name)
    const type = array === undefined ? undefined : btf.typeAt(array)
    return type?.kind === 'array' ? type.length : undefined
  }
  const side = (name: 'key' | 'value'): Side | undefined => {
    const [type, bytes] = [pointee(name), number(`${name}_size`)]
    return type === undefined ? (bytes === undefined ? undefined : { bytes }) : { type }
  }
  const type = number('type') ?? 0
  const [key, value] = [side('key'), side('value')]
  return {
    type: TYPES[type] ?? String(type),
    maxEntries: number('max_entries') ?? 0,
    ...(key && { key }),
    ...(value && { value }),
  }
}
