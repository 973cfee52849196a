import { setImmediate } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { hasConnections } from './netns.ts'
import type { Programs } from './programs.ts'
import { cookiesIn, runInNetns } from './scans.ts'

export interface OlderConnectionsOptions {
  readonly programs: Pick<Programs, 'sightWatched' | 'sight' | 'adopt'>
  /** How to enter the pods' namespaces, by cookie. */
  readonly netnsPaths: ReadonlyMap<bigint, string>
  readonly log: Log
  /** Ends may be watched that were not before. */
  readonly found: () => void
}

/** Between the end of a look and the next one. */
const LOOK_INTERVAL_MS = 1_000

/**
 * Finds the connections that are older than their pod's enrolment: once for all pods that are enrolled at about the same
 * time, and in these alone. To walk over a pod's sockets takes the kernel a step for each bucket of the node's table of
 * connections, some milliseconds where there is much memory; so in between others have their turn.
 */
export class OlderConnections implements Disposable {
  readonly #options: OlderConnectionsOptions
  /** Netns cookies of pods that have just been enrolled. */
  readonly #enrolled = new Set<bigint>()
  /** Those of them that are to be looked in. */
  readonly #due = new Set<bigint>()
  #asking: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #closed = false

  constructor(options: OlderConnectionsOptions) {
    this.#options = options
  }

  /** Looks for older connections of a pod that has just been enrolled, soon. */
  lookIn(netnsCookie: bigint): void {
    this.#enrolled.add(netnsCookie)
    this.#asking ??= setTimeout(() => this.#askEnrolled(), 0)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#asking)
    clearTimeout(this.#timer)
  }

  /**
   * What comes after the enrolment is watched from its handshake on; a pod without a connection by now has no older ones,
   * such as one that the CNI plugin has told of.
   */
  #askEnrolled(): void {
    this.#asking = undefined
    for (const cookie of this.#enrolled) if (this.#isBusy(cookie)) this.#due.add(cookie)
    this.#enrolled.clear()
    if (this.#due.size > 0 && !this.#looking) void this.#look()
  }

  async #look(): Promise<void> {
    const cookies = [...this.#due]
    this.#due.clear()
    this.#looking = true
    try {
      await this.#adopt(cookies)
    } catch (error) {
      this.#options.log.error({ err: error }, 'older connections were not looked for')
      for (const cookie of cookies) this.#due.add(cookie)
    }
    if (this.#closed) return
    // What has come to be due meanwhile waits, too, so that it is done together.
    this.#timer = setTimeout(() => {
      this.#looking = false
      this.#timer = undefined
      if (this.#due.size > 0) void this.#look()
    }, LOOK_INTERVAL_MS)
  }

  /** All ends are noted before any is matched. */
  async #adopt(newPods: readonly bigint[]): Promise<void> {
    const { programs, netnsPaths, log, found } = this.#options
    programs.sightWatched.run()
    await this.#each(newPods, (cookie) => {
      runInNetns(programs.sight, cookie, netnsPaths)
    })
    // Peers in pods that were looked in before, where they had none yet.
    const elsewhere = new Set<bigint>()
    await this.#each(newPods, (cookie) => {
      const peers = cookiesIn(runInNetns(programs.adopt, cookie, netnsPaths))
      for (const peer of peers) if (netnsPaths.has(peer)) elsewhere.add(peer)
    })
    for (const cookie of newPods) elsewhere.delete(cookie)
    await this.#each(elsewhere, (cookie) => {
      runInNetns(programs.adopt, cookie, netnsPaths)
    })
    if (this.#closed) return
    log.debug({ pods: newPods.length, elsewhere: elsewhere.size }, 'looked for older connections')
    found()
  }

  /** Not once it is closed. */
  async #each(cookies: Iterable<bigint>, work: (cookie: bigint) => void): Promise<void> {
    for (const cookie of cookies) {
      await setImmediate()
      if (this.#closed) return
      work(cookie)
    }
  }

  #isBusy(cookie: bigint): boolean {
    const path = this.#options.netnsPaths.get(cookie)
    if (path === undefined) return false
    try {
      return hasConnections(path)
    } catch {
      // The pod has just ended, or the walk says what is wrong.
      return true
    }
  }
}
