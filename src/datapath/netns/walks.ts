import { setTimeout as delay } from 'node:timers/promises'
import { errnoOf } from '../../lib/errno.ts'
import type { Log } from '../../lib/log.ts'
import { findNetns } from './finder.ts'
import { WalkProcess, type Walker } from './walk-process.ts'

/**
 * Between two looks at the process of a walk. A walk takes some 2 ms, up to 4 ms on a node with 10,000 connections. Twice
 * this times MAX_BLOCKED is below a second: so long may a round of walks take if every pod that it meets holds a lock.
 */
const LOOK_MS = 12
/** A process waits now and then for something else, such as memory. It waits for a lock if so many looks find it waiting. */
const WAITING_LOOKS = 2
/** A walk that needs more looks counts as blocked, whatever its process does. */
const MAX_LOOKS = 80
/**
 * A blocked process takes some 130 KiB, half of it in the kernel: all together take some 4 MiB. Each pod has one at
 * most.
 */
const MAX_BLOCKED = 32
/** A pod that holds a lock for longer is told of. */
const TOLD_AFTER_MS = 1_000

export interface WalksOptions {
  readonly log?: Log
  readonly start?: () => Walker
  readonly lookMs?: number
  readonly maxLooks?: number
  readonly maxBlocked?: number
  readonly toldAfterMs?: number
}

/**
 * Walks over the TCP sockets of pods, which takes each socket's lock. A process of the pod can hold that lock for as long
 * as it likes: it only has to fault inside recv(). So walks are made by processes that nobody waits for in vain.
 *
 * One walk is made at a time. A walk whose process waits for a lock at two looks in a row is blocked: its process finishes
 * it alone, another process makes the next ones, and its namespace is not walked over again before.
 */
export class Walks implements Disposable {
  readonly #log: Log | undefined
  readonly #start: () => Walker
  readonly #lookMs: number
  readonly #maxLooks: number
  readonly #maxBlocked: number
  readonly #toldAfterMs: number
  /** Settles when all walks that were asked for before are made, or blocked. */
  #last: Promise<unknown> = Promise.resolve()
  #idle: Walker | undefined
  #active: Walker | undefined
  /** By netns cookie. */
  readonly #blocked = new Map<bigint, Walker>()
  /** Netns cookies of those that were told of. */
  readonly #told = new Set<bigint>()
  #wasFull = false
  #disposed = false

  constructor({
    log,
    start = () => new WalkProcess(),
    lookMs = LOOK_MS,
    maxLooks = MAX_LOOKS,
    maxBlocked = MAX_BLOCKED,
    toldAfterMs = TOLD_AFTER_MS,
  }: WalksOptions) {
    this.#log = log
    this.#start = start
    this.#lookMs = lookMs
    this.#maxLooks = maxLooks
    this.#maxBlocked = maxBlocked
    this.#toldAfterMs = toldAfterMs
  }

  /**
   * Walks with a pinned iterator over a pod's TCP sockets. Resolves to what the iterator wrote: nothing if the namespace
   * is gone. Resolves to undefined if the walk is blocked, or cannot be made now; it is to be asked for again.
   * `netnsPaths` says how to enter namespaces; others are searched for.
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

  /** Whether a walk waits for the lock of a socket in the namespace. */
  isBlocked(netnsCookie: bigint): boolean {
    return this.#blocked.has(netnsCookie)
  }

  /** The namespace is gone. */
  forget(netnsCookie: bigint): void {
    this.#told.delete(netnsCookie)
  }

  /** Ends the processes; those that are blocked end once they have their lock. */
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
    const path = netnsPaths.get(netnsCookie) ?? findNetns(netnsCookie)
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

  /** One idle process is enough: a blocked walk may have come back while another one was made. */
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

  /** Resolves to false once the walk is blocked. A busy machine makes walks slow, not blocked. */
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

  /** Once: a pod may do it again and again. */
  #tell(netnsCookie: bigint): void {
    if (this.#told.has(netnsCookie)) return
    this.#told.add(netnsCookie)
    this.#log?.warn(
      { netnsCookie: String(netnsCookie), blocked: this.#blocked.size },
      "a process of this pod holds a socket's lock: until it lets go, the pod's readers are not woken",
    )
  }
}
