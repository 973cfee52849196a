import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf } from '../../lib/errno.ts'
import type { Log } from '../../lib/log.ts'
import { pathTo as checkedPathTo } from './finder.ts'
import { WalkProcess, type Walker } from './walk-process.ts'

/**
 * The pause between two checks of a walk's process. A walk takes some 2 ms, and up to 4 ms on a node with 10,000
 * connections. Twice this pause times MAX_BLOCKED is less than a second. That bounds a round of walks if every pod
 * holds a lock.
 */
const LOOK_MS = 12
/**
 * The number of successive checks that must find the process waiting. A single wait may be for something else, such as
 * memory.
 */
const WAITING_LOOKS = 2
/** A walk that needs more checks counts as blocked, whatever its process does. */
const MAX_LOOKS = 80
/**
 * The maximum number of blocked processes, at most one for each pod. Each takes some 130 KiB, half of it in the kernel:
 * all together some 4 MiB.
 */
const MAX_BLOCKED = 32
/** If a pod holds a lock for longer, the log says so. */
const TOLD_AFTER_MS = 1_000

export interface WalksOptions {
  readonly log?: Log
  readonly start?: () => Walker
  readonly pathTo?: typeof checkedPathTo
  readonly lookMs?: number
  readonly maxLooks?: number
  readonly maxBlocked?: number
  readonly toldAfterMs?: number
}

/**
 * Walks over the TCP sockets of pods. A walk takes each socket's lock. A process of the pod can hold that lock for any
 * time: a page fault inside recv() is enough. So separate processes make the walks, and the agent does not wait for a
 * blocked one.
 *
 * Only one walk runs at a time. A walk is blocked if its process waits for a lock at two checks in a row. That process
 * then finishes alone, and another process makes the next walks. The namespace is not walked over again until the
 * blocked walk returns.
 */
export class Walks implements Disposable {
  readonly #log: Log | undefined
  readonly #start: () => Walker
  readonly #pathTo: typeof checkedPathTo
  readonly #lookMs: number
  readonly #maxLooks: number
  readonly #maxBlocked: number
  readonly #toldAfterMs: number
  /** Settles when all earlier walks are done or blocked. */
  #last: Promise<unknown> = Promise.resolve()
  #idle: Walker | undefined
  #active: Walker | undefined
  /** Walkers that are blocked, by netns cookie. */
  readonly #blocked = new Map<bigint, Walker>()
  /** Netns cookies that the log has mentioned. */
  readonly #told = new Set<bigint>()
  #wasFull = false
  #disposed = false

  constructor({
    log,
    start = () => new WalkProcess(),
    pathTo = checkedPathTo,
    lookMs = LOOK_MS,
    maxLooks = MAX_LOOKS,
    maxBlocked = MAX_BLOCKED,
    toldAfterMs = TOLD_AFTER_MS,
  }: WalksOptions) {
    this.#log = log
    this.#start = start
    this.#pathTo = pathTo
    this.#lookMs = lookMs
    this.#maxLooks = maxLooks
    this.#maxBlocked = maxBlocked
    this.#toldAfterMs = toldAfterMs
  }

  /**
   * Walks with a pinned iterator over a pod's TCP sockets. Resolves to the iterator's output, which is empty if the
   * namespace is gone. Resolves to undefined if the walk is blocked or cannot run now; call it again later.
   * `netnsPaths` has the paths of namespaces; other namespaces are searched for.
   */
  async walk(
    pin: string,
    netnsCookie: bigint,
    netnsPaths: ReadonlyMap<bigint, string>,
  ): Promise<Buffer | undefined> {
    const turn = this.#last.then(() => this.#walk(pin, netnsCookie, netnsPaths))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** Whether a walk is waiting for a socket's lock in the namespace. */
  isBlocked(netnsCookie: bigint): boolean {
    return this.#blocked.has(netnsCookie)
  }

  /** Call this when the namespace is gone. */
  forget(netnsCookie: bigint): void {
    this.#told.delete(netnsCookie)
  }

  /** Ends the processes. A blocked process ends once it has its lock. */
  [Symbol.dispose](): void {
    this.#disposed = true
    for (const walker of [this.#idle, this.#active, ...this.#blocked.values()]) {
      walker?.[Symbol.dispose]()
    }
  }

  async #walk(
    pin: string,
    netnsCookie: bigint,
    netnsPaths: ReadonlyMap<bigint, string>,
  ): Promise<Buffer | undefined> {
    if (this.#disposed || this.isBlocked(netnsCookie)) return undefined
    if (this.#isFull()) return undefined
    const path = this.#pathTo(netnsCookie, netnsPaths)
    if (path === undefined) return Buffer.alloc(0)

    const walker = this.#idle ?? this.#start()
    this.#idle = undefined
    this.#active = walker
    const output = walker.walk(pin, path)
    try {
      if (!(await this.#inTime(output, walker))) {
        this.#setAside(output, walker, netnsCookie)
        return undefined
      }
      const written = await output
      this.#rest(walker)
      return written
    } catch (error) {
      if (errnoOf(error) === 'WALKER_ENDED') {
        if (this.#disposed) return undefined
        throw error
      }
      this.#rest(walker)
      throw error
    } finally {
      this.#active = undefined
    }
  }

  /** Keeps one idle process. A blocked walk may have returned while another walk ran. */
  #rest(walker: Walker): void {
    if (this.#idle || this.#disposed) walker[Symbol.dispose]()
    else this.#idle = walker
  }

  #isFull(): boolean {
    const isFull = this.#blocked.size >= this.#maxBlocked
    if (isFull && !this.#wasFull) {
      this.#log?.warn({ blocked: this.#blocked.size }, 'too many pods hold locks: others wait')
    }
    this.#wasFull = isFull
    return isFull
  }

  /** Resolves to false once the walk is blocked. A walk that is slow on a busy machine is not blocked. */
  async #inTime(output: Promise<Buffer>, walker: Walker): Promise<boolean> {
    const end = new AbortController()
    const ended = output.then(
      () => true,
      () => true,
    )
    try {
      for (let looks = 1, waiting = 0; ; looks += 1) {
        const look = delay(this.#lookMs, false, { signal: end.signal })
        if (await Promise.race([ended, look])) return true
        waiting = walker.waits() ? waiting + 1 : 0
        if (looks >= this.#maxLooks || waiting >= WAITING_LOOKS) return false
      }
    } finally {
      end.abort()
    }
  }

  #setAside(output: Promise<Buffer>, walker: Walker, netnsCookie: bigint): void {
    this.#blocked.set(netnsCookie, walker)
    const begun = performance.now()
    const telling = setTimeout(() => this.#tell(netnsCookie), this.#toldAfterMs).unref()
    const back = (isAlive: boolean): void => {
      clearTimeout(telling)
      this.#blocked.delete(netnsCookie)
      this.#log?.debug(
        { netnsCookie: String(netnsCookie), ms: Math.round(performance.now() - begun) },
        'a blocked walk has come back',
      )
      if (isAlive) this.#rest(walker)
      else walker[Symbol.dispose]()
    }
    output.then(
      () => back(true),
      (error: unknown) => {
        back(errnoOf(error) !== 'WALKER_ENDED')
        if (!this.#disposed) this.#log?.debug({ err: error }, 'a blocked walk has failed')
      },
    )
  }

  /** Logs once for each pod, because a pod may repeat it. */
  #tell(netnsCookie: bigint): void {
    if (this.#told.has(netnsCookie)) return
    this.#told.add(netnsCookie)
    this.#log?.warn(
      { netnsCookie: String(netnsCookie), blocked: this.#blocked.size },
      "a process of this pod holds a socket's lock: until it lets go, the pod's readers are not woken",
    )
  }
}
