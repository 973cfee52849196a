/** A map as the source of a BPF object declares it: bpf2ts writes one for each. */

import type { Codec } from './codec.ts'
import { BpfMap } from './map.ts'
import type { LoadedObject } from './object.ts'

export interface MapDescription<K, V> {
  readonly name: string
  /** As in `enum bpf_map_type`, without the prefix: `HASH`, `PERCPU_ARRAY`. */
  readonly type: string
  readonly maxEntries: number
  readonly key: Codec<K>
  readonly value: Codec<V>
}

export interface DescribedMap<K, V> extends MapDescription<K, V> {
  /** The map of a loaded object: it borrows the object's and ends with it. */
  of(object: LoadedObject): BpfMap<K, V>
  /** Opens a pinned map. */
  fromPin(path: string): BpfMap<K, V>
}

export function describeMap<K, V>(description: MapDescription<K, V>): DescribedMap<K, V> {
  const { name, key, value } = description
  return {
    ...description,
    of: (object) => object.map(name, key, value),
    fromPin: (path) => BpfMap.fromPin(path, key, value),
  }
}
