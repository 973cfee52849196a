import { isDeepStrictEqual } from 'node:util'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import { podKey } from '../../../pods/observed-pod.ts'
import type { KubeObject } from '../pod-facts.ts'

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED'

/**
 * The last state of a collection's objects, reduced by `keep`. The newer resource version wins, in whatever order
 * events arrive. Versions grow with every change, deletions included (KEP-5504). A kept object keeps its identity while
 * its content does, so that callers can compare by identity.
 */
export class ObjectStore<Kept> {
  readonly #keep: (object: KubeObject) => Kept | undefined
  #entries = new Map<string, { readonly version: string; readonly kept: Kept }>()
  /** Versions of what is gone or says nothing, for events that come late; the oldest are forgotten. */
  #gone = new BoundedMap<string, string>(maxGone)

  constructor(keep: (object: KubeObject) => Kept | undefined) {
    this.#keep = keep
  }

  get(key: string): Kept | undefined {
    return this.#entries.get(key)?.kept
  }

  /** Keys are `namespace/name`. Cluster-wide objects have no namespace: `/name`. */
  *entries(): Generator<[string, Kept]> {
    for (const [key, { kept }] of this.#entries) yield [key, kept]
  }

  /** Applies one event. Returns whether any kept object has changed. */
  apply(type: WatchEventType, object: KubeObject): boolean {
    const key = keyOf(object)
    const version = object.metadata?.resourceVersion ?? ''
    const last = this.#entries.get(key)
    const known = last?.version ?? this.#gone.get(key)
    if (known !== undefined && isOlder(version, known)) return false

    const kept = type === 'DELETED' ? undefined : this.#keep(object)
    if (kept === undefined) {
      this.#entries.delete(key)
      this.#gone.set(key, version)
      return last !== undefined
    }
    this.#gone.delete(key)
    const same = last && isDeepStrictEqual(last.kept, kept) ? last.kept : undefined
    this.#entries.set(key, { version, kept: same ?? kept })
    return same === undefined
  }

  /** Replaces all objects by those of a list. Returns whether any kept object has changed. */
  replace(listed: ObjectStore<Kept>): boolean {
    const before = this.#entries
    this.#entries = listed.#entries
    this.#gone = listed.#gone
    let changed = before.size !== this.#entries.size
    for (const [key, { version, kept }] of this.#entries) {
      const last = before.get(key)
      if (last && isDeepStrictEqual(last.kept, kept)) {
        this.#entries.set(key, { version, kept: last.kept })
      } else changed = true
    }
    return changed
  }
}

const maxGone = 1_000

function keyOf({ metadata }: KubeObject): string {
  return podKey({ namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' })
}

/** Whether `version` is before `than`. Versions that are not numbers are not comparable; then the last event wins. */
export function isOlder(version: string, than: string): boolean {
  if (!/^\d+$/.test(version) || !/^\d+$/.test(than)) return false
  return version.length === than.length ? version < than : version.length < than.length
}
