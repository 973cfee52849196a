import { isDeepStrictEqual } from 'node:util'
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
  /** Versions of objects that are gone or not kept, for late events. The oldest are dropped. */
  #gone = new Map<string, string>()

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
      this.#bury(key, version)
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

  #bury(key: string, version: string): void {
    this.#gone.delete(key)
    this.#gone.set(key, version)
    if (this.#gone.size > maxGone) {
      for (const oldest of this.#gone.keys()) {
        this.#gone.delete(oldest)
        break
      }
    }
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
