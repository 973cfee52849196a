/** The bounds of a cache. */
export interface CacheBounds {
  readonly entries: number
  readonly bytes: number
  readonly ageMs: number
}

interface Entry<Value> {
  readonly value: Value
  readonly bytes: number
  readonly addedAtMs: number
}

/** Remembers values by key. The entry that was used longest ago goes first. */
export class Cache<Value> {
  readonly #bounds: CacheBounds
  readonly #nowMs: () => number
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry<Value>>()
  #bytes = 0

  constructor(bounds: CacheBounds, nowMs: () => number = () => performance.now()) {
    this.#bounds = bounds
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#remove(key, entry)
    if (this.#nowMs() - entry.addedAtMs > this.#bounds.ageMs) return undefined
    this.#add(key, entry)
    return entry.value
  }

  /** A value that is larger than the cache is not kept. */
  set(key: string, value: Value, bytes: number): void {
    const old = this.#entries.get(key)
    if (old) this.#remove(key, old)
    if (bytes > this.#bounds.bytes) return
    this.#add(key, { value, bytes, addedAtMs: this.#nowMs() })
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#bounds.entries && this.#bytes <= this.#bounds.bytes) return
      this.#remove(oldest, entry)
    }
  }

  #add(key: string, entry: Entry<Value>): void {
    this.#entries.set(key, entry)
    this.#bytes += entry.bytes
  }

  #remove(key: string, entry: Entry<Value>): void {
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}
