import type { Log } from '../../lib/log.ts'
import { countTcpSockets } from '../netns/netns.ts'
import type { Walks } from '../netns/walks.ts'
import type { Programs } from '../pins/programs.ts'
import { cookiesIn } from './scans.ts'

export interface OlderConnectionsOptions {
  readonly programs: Pick<Programs, 'sightWatched' | 'sight' | 'adopt'>
  readonly walks: Pick<Walks, 'walk' | 'isBlocked'>
  /** Paths of the pods' network namespaces, by netns cookie. */
  readonly netnsPaths: ReadonlyMap<bigint, string>
  readonly log: Log
  /** Called when the agent may have begun to watch more ends. */
  readonly found: () => void
}

/** The pause between two passes. */
const LOOK_INTERVAL_MS = 1_000

/**
 * Finds the connections that are older than their pod's enrolment. One pass serves all pods that were enrolled at about
 * the same time, and walks over these pods only. A walk over a pod's sockets takes the kernel a step for each bucket of
 * the node's table of connections. On a machine with much memory that is some milliseconds.
 *
 * If a pod holds a socket's lock, its walk is repeated after the lock is free.
 */
export class OlderConnections implements Disposable {
  readonly #options: OlderConnectionsOptions
  /** Netns cookies of pods that have just been enrolled. */
  readonly #enrolled = new Set<bigint>()
  /** The subset that the next pass walks over. */
  readonly #due = new Set<bigint>()
  #asking: NodeJS.Timeout | undefined
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #closed = false

  constructor(options: OlderConnectionsOptions) {
    this.#options = options
  }

  /** Schedules a search for older connections of a pod that has just been enrolled. */
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
   * Connections that begin after the enrolment are watched from their handshake. So a pod that has no connection now
   * has no older ones. A pod that the CNI plugin announced is such a pod.
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
    // Pods that become due meanwhile also wait, so that one pass serves all of them.
    this.#timer = setTimeout(() => {
      this.#looking = false
      this.#timer = undefined
      if (this.#due.size > 0) void this.#look()
    }, LOOK_INTERVAL_MS)
  }

  /** Notes all ends before it matches any, except ends in pods that hold a lock. */
  async #adopt(newPods: readonly bigint[]): Promise<void> {
    const { programs, netnsPaths, log, found } = this.#options
    programs.sightWatched.run()
    const sighted: bigint[] = []
    for (const cookie of newPods) {
      if (await this.#walk(programs.sight, cookie)) sighted.push(cookie)
    }
    // The peer of an end may be in an older pod. That pod needs another walk, because its end had no match before.
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

  /** Does nothing after `dispose`. The pod is due again if the walk is blocked. */
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
      return countTcpSockets(path).established > 0
    } catch {
      // The pod has just ended, or the walk will report the error.
      return true
    }
  }
}
