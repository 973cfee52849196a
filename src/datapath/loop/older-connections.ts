import type { Log } from '../../lib/log.ts'
import { hasConnections } from '../netns/netns.ts'
import type { Walks } from '../netns/walks.ts'
import type { Programs } from '../pins/programs.ts'
import { cookiesIn } from './scans.ts'

export interface OlderConnectionsOptions {
  readonly programs: Pick<Programs, 'sightWatched' | 'sight' | 'adopt'>
  readonly walks: Pick<Walks, 'walk' | 'isBlocked'>
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
 * connections, some milliseconds where there is much memory.
 *
 * A pod that holds a socket's lock is looked in again once it has let go.
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
    const { walks, log } = this.#options
    const cookies = [...this.#due].filter((cookie) => !walks.isBlocked(cookie))
    for (const cookie of cookies) this.#due.delete(cookie)
    this.#looking = true
    try {
      if (cookies.length > 0) await this.#adopt(cookies)
    } catch (error) {
      log.error({ err: error }, 'older connections were not looked for')
      for (const cookie of cookies) this.#due.add(cookie)
    }
    if (this.#closed) return
    // Pods that come to be due meanwhile wait, too, so that it is done together.
    this.#timer = setTimeout(() => {
      this.#looking = false
      this.#timer = undefined
      if (this.#due.size > 0) void this.#look()
    }, LOOK_INTERVAL_MS)
  }

  /** All ends are noted before any is matched, but those of pods that hold a lock. */
  async #adopt(newPods: readonly bigint[]): Promise<void> {
    const { programs, netnsPaths, log, found } = this.#options
    programs.sightWatched.run()
    const sighted: bigint[] = []
    for (const cookie of newPods) {
      if (await this.#walk(programs.sight, cookie)) sighted.push(cookie)
    }
    // Peers in pods that were looked in before, where they had none yet.
    const elsewhere = new Set<bigint>()
    for (const cookie of sighted) {
      const output = await this.#walk(programs.adopt, cookie)
      if (!output) continue
      for (const peer of cookiesIn(output)) if (netnsPaths.has(peer)) elsewhere.add(peer)
    }
    for (const cookie of newPods) elsewhere.delete(cookie)
    for (const cookie of elsewhere) await this.#walk(programs.adopt, cookie)
    if (this.#closed) return
    log.debug({ pods: newPods.length, elsewhere: elsewhere.size }, 'looked for older connections')
    found()
  }

  /** Not once it is closed. The pod is due again if the walk is blocked. */
  async #walk(pin: string, cookie: bigint): Promise<Buffer | undefined> {
    const { walks, netnsPaths } = this.#options
    if (this.#closed) return undefined
    const output = await walks.walk(pin, cookie, netnsPaths)
    if (!output) this.#due.add(cookie)
    return output
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
