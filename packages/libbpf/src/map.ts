import { constants } from 'node:os'
import { LibbpfError } from './base-error.ts'
import { type Codec, roundUp } from './codec.ts'
import { MAP_TYPES } from './constants.ts'
import { BpfError, check } from './error.ts'
import * as ffi from './ffi.ts'
import { type Fd, Handle } from './handle.ts'
import { type MapInfo, mapInfo } from './info.ts'
import { type BatchMap, deleteBatch, updateBatch, walkBatches } from './map-batch.ts'
import { openPin, pinFd, unpin } from './pin.ts'

/** Elements of a batch where the caller does not say. */
const BATCH = 1024

const { ENOENT } = constants.errno

const PER_CPU: ReadonlySet<number> = new Set([
  MAP_TYPES.PERCPU_HASH,
  MAP_TYPES.PERCPU_ARRAY,
  MAP_TYPES.LRU_PERCPU_HASH,
  MAP_TYPES.PERCPU_CGROUP_STORAGE,
])

/** When `update` writes: always, only where nothing is (else EEXIST), only where something is (else ENOENT). */
export type UpdateWhen = 'any' | 'absent' | 'present'

const FLAGS: Readonly<Record<UpdateWhen, number>> = { any: 0, absent: 1, present: 2 }

/**
 * A map of any kind in the kernel. From a pin it owns its descriptor; from a LoadedObject it borrows the object's and
 * ends with it.
 */
export class AnyMap extends Handle {
  /** As in the object, or the path of the pin. */
  readonly name: string
  /** Read once, when the map was opened. */
  readonly info: MapInfo
  readonly #fd: Fd

  /** Takes the descriptor over; closes it when the constructor throws. */
  constructor(name: string, fd: Fd) {
    super(`map ${name}`)
    this.name = name
    this.#fd = fd
    this.info = orClose(fd, () => mapInfo(fd))
  }

  /** Opens a pinned map. */
  static openPin(path: string): AnyMap {
    return new AnyMap(path, openPin('map', path))
  }

  /** Throws when disposed. */
  get fd(): number {
    this.assertLive()
    return this.#fd.number
  }

  /** Pins the map: it outlives this process until it is unpinned. */
  pin(path: string): void {
    this.assertLive()
    pinFd(this.#fd, path)
  }

  /** Removes a pin. Idempotent. */
  unpin(path: string): void {
    unpin(path)
  }

  protected override release(): void {
    this.#fd[Symbol.dispose]()
  }
}

/**
 * A map whose keys and values are seen through codecs. Calls are single system calls and reuse the map's own two
 * buffers; what they return is a copy.
 */
export class BpfMap<K, V> extends AnyMap {
  readonly #keyCodec: Codec<K>
  readonly #valueCodec: Codec<V>
  readonly #key: Uint8Array
  readonly #value: Uint8Array
  readonly #keyView: DataView
  readonly #valueView: DataView
  /** Bytes from one CPU's value to the next one's. */
  readonly #stride: number
  readonly #perCpu: boolean

  /**
   * Takes the descriptor over. Throws `LAYOUT` when the kernel's key or value size is not the codec's, and closes the
   * descriptor then.
   */
  constructor(name: string, fd: Fd, key: Codec<K>, value: Codec<V>) {
    super(name, fd)
    this.#keyCodec = key
    this.#valueCodec = value
    orClose(fd, () => {
      this.#checkSize('key', key.size, this.info.keySize)
      this.#checkSize('value', value.size, this.info.valueSize)
    })
    this.#perCpu = PER_CPU.has(this.info.type)
    this.#stride = this.#perCpu ? roundUp(value.size, 8) : value.size
    this.#key = new Uint8Array(key.size)
    this.#value = new Uint8Array(this.#stride * (this.#perCpu ? possibleCpus() : 1))
    this.#keyView = new DataView(this.#key.buffer)
    this.#valueView = new DataView(this.#value.buffer)
  }

  /** Opens a pinned map. */
  static fromPin<K, V>(path: string, key: Codec<K>, value: Codec<V>): BpfMap<K, V> {
    return new BpfMap(path, openPin('map', path), key, value)
  }

  /** The value, or undefined when the key is not there. Not for per-CPU maps. */
  lookup(key: K): V | undefined {
    this.#assertPerCpu(false)
    return this.#read(key) ? this.#valueCodec.decode(this.#valueView, 0) : undefined
  }

  /** One value for each possible CPU in order of its number, or undefined when the key is not there. */
  lookupPerCpu(key: K): V[] | undefined {
    this.#assertPerCpu(true)
    if (!this.#read(key)) return undefined
    const values: V[] = []
    for (let offset = 0; offset < this.#value.length; offset += this.#stride) {
      values.push(this.#valueCodec.decode(this.#valueView, offset))
    }
    return values
  }

  /** Writes the value; into every CPU's slot of a per-CPU map. */
  update(key: K, value: V, when: UpdateWhen = 'any'): void {
    this.#keyCodec.encode(key, this.#keyView, 0)
    for (let offset = 0; offset < this.#value.length; offset += this.#stride) {
      this.#valueCodec.encode(value, this.#valueView, offset)
    }
    check(
      `update ${this.what}`,
      () => ffi.bpf_map_update_elem(this.fd, this.#key, this.#value, FLAGS[when]),
      { E2BIG: 'The map is full, or the key is beyond its end: raise its max_entries.' },
    )
  }

  /** Returns whether the key was there. */
  delete(key: K): boolean {
    this.#keyCodec.encode(key, this.#keyView, 0)
    return this.#found('delete from', ffi.bpf_map_delete_elem(this.fd, this.#key))
  }

  /**
   * The keys, in no order. Deleting the key just yielded is safe. When others delete at the same time the kernel may
   * start over, so that keys come twice and others not at all; it ends after max_entries keys in any case.
   */
  *keys(): Generator<K, void, undefined> {
    let current = new Uint8Array(this.#key.length)
    let next = new Uint8Array(this.#key.length)
    let more = this.#next(null, next)
    for (let count = 0; more && count < this.info.maxEntries; count++) {
      ;[current, next] = [next, current]
      // The next key is fetched first: without its cursor the kernel would start from the beginning.
      more = this.#next(current, next)
      yield this.#keyCodec.decode(new DataView(current.buffer), 0)
    }
  }

  /** Keys with their values; a key that goes away meanwhile is left out. Not for per-CPU maps. */
  *entries(): Generator<[K, V], void, undefined> {
    for (const key of this.keys()) {
      const value = this.lookup(key)
      if (value !== undefined) yield [key, value]
    }
  }

  /**
   * All elements, in pieces of at most `size` that take one system call each; a hash may make the pieces larger when
   * many keys share a bucket. Not for per-CPU maps. Linux 5.6; ENOTSUPP where the kind of map has no such call.
   */
  *lookupBatch(size: number = BATCH): Generator<[K, V][], void, undefined> {
    yield* walkBatches(this.#batch('look up in'), size, false)
  }

  /**
   * Takes all elements out, in pieces; see `lookupBatch`. An element is yielded once; those that come meanwhile may be
   * left. Only hashes have it, Linux 5.6.
   */
  *lookupAndDeleteBatch(size: number = BATCH): Generator<[K, V][], void, undefined> {
    yield* walkBatches(this.#batch('take from'), size, true)
  }

  /**
   * Writes these elements in one system call, over what is there. When it throws, the elements before have been written.
   * Not for per-CPU maps. Linux 5.6.
   */
  updateBatch(elements: readonly (readonly [K, V])[]): void {
    updateBatch(this.#batch('update'), elements)
  }

  /**
   * Deletes these keys in one system call; returns how many, and stops at the first that is not there. Linux 5.6; arrays
   * have no such call (ENOTSUPP).
   */
  deleteBatch(keys: readonly K[]): number {
    return deleteBatch(this.#batch('delete from'), keys)
  }

  #batch(verb: string): BatchMap<K, V> {
    this.#assertPerCpu(false, verb)
    return {
      fd: this.fd,
      what: this.what,
      keyCodec: this.#keyCodec,
      valueCodec: this.#valueCodec,
      maxEntries: this.info.maxEntries,
    }
  }

  #read(key: K): boolean {
    this.#keyCodec.encode(key, this.#keyView, 0)
    return this.#found('look up in', ffi.bpf_map_lookup_elem(this.fd, this.#key, this.#value))
  }

  #next(after: Uint8Array | null, next: Uint8Array): boolean {
    return this.#found('walk', ffi.bpf_map_get_next_key(this.fd, after, next))
  }

  #found(verb: string, result: number): boolean {
    if (result === -ENOENT) return false
    if (result < 0) throw new BpfError(`${verb} ${this.what}`, -result)
    return true
  }

  #checkSize(part: 'key' | 'value', codecBytes: number, kernelBytes: number): void {
    if (codecBytes === kernelBytes) return
    throw new LibbpfError(
      `its ${part}s have ${kernelBytes} bytes, the codec's have ${codecBytes}`,
      {
        code: 'LAYOUT',
        operation: `open ${this.what}`,
        hint: 'The map was made by another version: replace it, or use the codec of that version.',
      },
    )
  }

  #assertPerCpu(wanted: boolean, verb: string = 'look up in'): void {
    if (this.#perCpu === wanted) return
    throw new LibbpfError(`the map is ${wanted ? 'not ' : ''}per CPU`, {
      code: 'MAP_TYPE',
      operation: `${verb} ${this.what}`,
      hint: `Use ${wanted ? 'lookup' : 'lookupPerCpu'}.`,
    })
  }
}

function orClose<T>(fd: Fd, step: () => T): T {
  try {
    return step()
  } catch (error) {
    fd[Symbol.dispose]()
    throw error
  }
}

let cpus: number | undefined

/** How many slots a per-CPU value has: CPUs that may ever come online. */
export function possibleCpus(): number {
  return (cpus ??= check('count possible CPUs', () => ffi.libbpf_num_possible_cpus()))
}
