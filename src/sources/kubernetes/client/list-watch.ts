import { setTimeout as sleep } from 'node:timers/promises'
import { BackOff } from '../../../lib/back-off.ts'
import { type ExplainedError, isExplained } from '../../../lib/errors.ts'
import type { ApiRequest, KubeApi } from './api.ts'
import { errorOfNonsense, errorOfStatus, expired, nonsense } from './api-error.ts'
import { isOlder, ObjectStore } from './object-store.ts'
import type { KubeObject } from '../pod-facts.ts'

export interface Collection<Kept> {
  /** For messages: `pods`. */
  readonly name: string
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly pageSize: number
  /** Whether to request metadata only. */
  readonly metadataOnly?: boolean
  /** Reduces an object to what is kept of it; undefined keeps nothing. */
  readonly keep: (object: KubeObject) => Kept | undefined
}

export interface ListWatchListener {
  /** The collection is known for the first time, or its kept part has changed. */
  changed(): void
  /** An attempt failed. Retries continue, and the last known state stays. */
  failed(error: ExplainedError): void
  /** The API server has answered. */
  answered(): void
}

export interface ListWatchTimes {
  readonly firstRetryMs: number
  readonly longestRetryMs: number
  /** The longest silence of a watch, without an event or a bookmark. After it the collection is listed again. */
  readonly silenceMs: number
  /** The requested duration of a watch; half of it is random. */
  readonly watchMs: number
}

/** Servers send a bookmark about every minute. */
export const usualTimes: ListWatchTimes = {
  firstRetryMs: 200,
  longestRetryMs: 30_000,
  silenceMs: 180_000,
  watchMs: 600_000,
}

/** A watch that ends sooner counts as failed. */
const soonMs = 2_000

/** Follows a collection: a list in pages, then a watch from there. An interrupted watch resumes at its last version. */
export class ListWatch<Kept> {
  readonly #api: KubeApi
  readonly #collection: Collection<Kept>
  readonly #listener: ListWatchListener
  readonly #times: ListWatchTimes
  readonly #backOff: BackOff
  readonly #store: ObjectStore<Kept>
  /** The resource version to continue from. Undefined before the first list, and after the version has expired. */
  #version: string | undefined
  #synced = false

  constructor(
    api: KubeApi,
    collection: Collection<Kept>,
    listener: ListWatchListener,
    times: ListWatchTimes = usualTimes,
  ) {
    this.#api = api
    this.#collection = collection
    this.#listener = listener
    this.#times = times
    this.#backOff = new BackOff({
      firstMs: times.firstRetryMs,
      longestMs: times.longestRetryMs,
      jitter: 0.5,
    })
    this.#store = new ObjectStore(collection.keep)
  }

  /** Whether the whole collection has been read once. */
  get synced(): boolean {
    return this.#synced
  }

  get(key: string): Kept | undefined {
    return this.#store.get(key)
  }

  entries(): Generator<[string, Kept]> {
    return this.#store.entries()
  }

  /** Runs until the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list(signal)
        await this.#watch(signal)
      } catch (error) {
        if (signal.aborted) return
        const isKnown = isExplained(error)
        const failure = isKnown ? error : errorOfNonsense(`read ${this.#collection.name}`, error)
        if (failure.code === expired) this.#version = undefined
        else this.#listener.failed(failure)
        // The same event would fail again, so this lists again.
        if (failure.code === nonsense) this.#version = undefined
        await sleep(this.#backOff.next(), undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** Reduces each page before it requests the next one. */
  async #list(signal: AbortSignal): Promise<void> {
    const { name, path, query, pageSize, keep } = this.#collection
    const listed = new ObjectStore(keep)
    let next = ''
    let version: string | undefined
    do {
      const page = await this.#api.call<Page>(
        {
          operation: `list ${name}`,
          path,
          query: { ...query, limit: String(pageSize), ...(next ? { continue: next } : {}) },
          accept: this.#accept('PartialObjectMetadataList'),
        },
        signal,
      )
      for (const object of page.items ?? []) listed.apply('ADDED', object)
      // All pages show the state of the first one. An answer without a version is not a list and must not count as an
      // empty one.
      version ??= page.metadata?.resourceVersion
      if (!version) throw errorOfNonsense(`list ${name}`, 'it is no list')
      next = page.metadata?.continue ?? ''
    } while (next)
    this.#listener.answered()
    this.#backOff.reset()
    this.#version = version
    const changed = this.#store.replace(listed)
    const first = !this.#synced
    this.#synced = true
    if (changed || first) this.#listener.changed()
  }

  /** Returns when the server has ended the watch, which it does after a while, or when it has gone silent. */
  async #watch(signal: AbortSignal): Promise<void> {
    const silence = new AbortController()
    const stop = (): void => silence.abort()
    signal.addEventListener('abort', stop)
    const heard = setTimeout(stop, this.#times.silenceMs)
    const began = performance.now()
    let events = 0
    try {
      const lines = await this.#api.watch(this.#watchRequest(), silence.signal)
      this.#listener.answered()
      for await (const line of lines) {
        heard.refresh()
        if (events++ === 0) this.#backOff.reset()
        this.#take(line)
      }
    } catch (error) {
      if (signal.aborted || !silence.signal.aborted) throw error
      this.#version = undefined
    } finally {
      clearTimeout(heard)
      signal.removeEventListener('abort', stop)
    }
    // Waits if the server ended the watch at once, so that the agent does not hammer it.
    if (events > 0 || performance.now() - began > soonMs) this.#backOff.reset()
    else await sleep(this.#backOff.next(), undefined, { signal }).catch(() => undefined)
  }

  #watchRequest(): ApiRequest {
    const { name, path, query } = this.#collection
    const seconds = Math.ceil((this.#times.watchMs / 1000) * (0.5 + Math.random() / 2))
    return {
      operation: `watch ${name}`,
      path,
      query: {
        ...query,
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: this.#version ?? '',
        timeoutSeconds: String(seconds),
      },
      accept: this.#accept('PartialObjectMetadata'),
    }
  }

  #accept(kind: string): string {
    return this.#collection.metadataOnly
      ? `application/json;as=${kind};g=meta.k8s.io;v=v1`
      : 'application/json'
  }

  #take(line: string): void {
    const { type, object } = parseEvent(line, this.#collection.name)
    if (type === 'ERROR') {
      throw errorOfStatus(`watch ${this.#collection.name}`, object.code ?? 0, object.message ?? '')
    }
    const version = object.metadata?.resourceVersion ?? ''
    if (version && !isOlder(version, this.#version ?? '')) this.#version = version
    if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') {
      if (this.#store.apply(type, object)) this.#listener.changed()
    }
  }
}

interface Page {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
  readonly items?: readonly KubeObject[]
}

interface WatchEvent {
  readonly type: string
  /** A Status if the type is ERROR. */
  readonly object: KubeObject & { readonly code?: number; readonly message?: string }
}

function parseEvent(line: string, name: string): WatchEvent {
  try {
    const event: Partial<WatchEvent> | null = JSON.parse(line)
    if (event?.type !== undefined && event.object) return { type: event.type, object: event.object }
  } catch (error) {
    throw errorOfNonsense(`watch ${name}`, error)
  }
  throw errorOfNonsense(`watch ${name}`, 'a line is no event')
}
