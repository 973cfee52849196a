/** Many elements in one system call: BPF_MAP_LOOKUP_BATCH and its like. Linux 5.6; which kinds of maps, later kernels. */
import { constants } from 'node:os'
import type { Codec } from './codec.ts'
import { BpfError } from './error.ts'
import * as ffi from './ffi.ts'
import type { HasFd } from './link.ts'

const { ENOENT, ENOSPC } = constants.errno

const UNSUPPORTED = 'This kind of map has no such call in this kernel: use lookup, update, delete.'
const HINTS = {
  ENOTSUPP: UNSUPPORTED,
  EOPNOTSUPP: UNSUPPORTED,
  EINVAL: `Batch calls need Linux 5.6. ${UNSUPPORTED}`,
  E2BIG: 'The map is full: raise its max_entries.',
}

/** A map, and how its elements are read and written. */
export interface BatchMap<K, V> extends HasFd {
  /** Names the map in messages. */
  readonly what: string
  readonly keyCodec: Codec<K>
  readonly valueCodec: Codec<V>
  /** How many elements fit. */
  readonly maxEntries: number
}

/** Walks over the map, at most `size` elements a call; `remove` takes them out. */
export function* walkBatches<K, V>(
  map: BatchMap<K, V>,
  size: number,
  remove: boolean,
): Generator<[K, V][], void, undefined> {
  const { keyCodec, valueCodec } = map
  const call = remove ? ffi.bpf_map_lookup_and_delete_batch : ffi.bpf_map_lookup_batch
  const cursorBytes = Math.max(8, keyCodec.size)
  let from: Uint8Array | null = null
  let next = new Uint8Array(cursorBytes)
  let spare = new Uint8Array(cursorBytes)
  for (let capacity = atLeastOne(size), more = true; more;) {
    const keys = new Uint8Array(keyCodec.size * capacity)
    const values = new Uint8Array(valueCodec.size * capacity)
    const count = Uint32Array.of(capacity)
    const result = call(map.fd, from, next, keys, values, count, null)
    if (result === -ENOSPC && capacity < map.maxEntries) {
      // A bucket of a hash has more elements than fit: the kernel gave none of it.
      capacity = Math.min(capacity * 2, map.maxEntries)
      continue
    }
    // ENOENT: the end, with the last elements.
    more = result !== -ENOENT
    if (result < 0 && more) throw failure(`${remove ? 'take' : 'read'} a batch of`, map, result)
    from = next
    ;[next, spare] = [spare, next]
    const elements = decodeAll(map, keys, values, count[0] ?? 0)
    if (elements.length > 0) yield elements
  }
}

/** Writes all elements. */
export function updateBatch<K, V>(
  map: BatchMap<K, V>,
  elements: readonly (readonly [K, V])[],
): void {
  if (elements.length === 0) return
  const { keyCodec, valueCodec } = map
  const keys = elements.map(([key]) => key)
  const values = elements.map(([, value]) => value)
  const count = Uint32Array.of(elements.length)
  const result = ffi.bpf_map_update_batch(
    map.fd,
    encodeAll(keyCodec, keys),
    encodeAll(valueCodec, values),
    count,
    null,
  )
  if (result < 0) throw failure('update a batch of', map, result, count[0])
}

/** Deletes all these keys; returns how many there were before the first that was not there. */
export function deleteBatch<K>(map: BatchMap<K, unknown>, keys: readonly K[]): number {
  if (keys.length === 0) return 0
  const count = Uint32Array.of(keys.length)
  const result = ffi.bpf_map_delete_batch(map.fd, encodeAll(map.keyCodec, keys), count, null)
  if (result < 0 && result !== -ENOENT) throw failure('delete a batch of', map, result, count[0])
  return count[0] ?? 0
}

function failure(
  verb: string,
  map: { readonly what: string },
  result: number,
  done?: number,
): BpfError {
  const detail = done === undefined || done === 0 ? undefined : `after ${done} elements`
  return new BpfError(`${verb} ${map.what}`, -result, { hint: HINTS, detail })
}

function atLeastOne(size: number): number {
  if (Number.isSafeInteger(size) && size > 0) return size
  throw new RangeError(`a batch of ${size} elements`)
}

function encodeAll<T>(codec: Codec<T>, values: readonly T[]): Uint8Array {
  const buffer = new Uint8Array(codec.size * values.length)
  const view = new DataView(buffer.buffer)
  for (const [index, value] of values.entries()) codec.encode(value, view, index * codec.size)
  return buffer
}

function decodeAll<K, V>(
  { keyCodec, valueCodec }: BatchMap<K, V>,
  keys: Uint8Array,
  values: Uint8Array,
  count: number,
): [K, V][] {
  const keyView = new DataView(keys.buffer)
  const valueView = new DataView(values.buffer)
  return Array.from({ length: count }, (_, index): [K, V] => [
    keyCodec.decode(keyView, index * keyCodec.size),
    valueCodec.decode(valueView, index * valueCodec.size),
  ])
}
