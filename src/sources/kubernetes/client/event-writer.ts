import { createHash } from 'node:crypto'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import { messageOf } from '../../../lib/errno.ts'
import { isExplained } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import type { KubeApi } from './api.ts'

/** The object that an Event is about. */
export interface EventSubject {
  readonly kind: 'Pod' | 'Namespace' | 'Node'
  /** The Event's namespace; `default` for a node, as the kubelet does. */
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface EventWriterOptions {
  readonly api: Pick<KubeApi, 'call'>
  /** The node's name, which is the Event's reporting instance. */
  readonly node: string
  readonly log: Log
  readonly now?: () => number
}

/** The API server keeps Events for an hour. A problem that still exists is reported again. */
const repeatMs = 3_600_000
const burst = 20
const refillMs = 5_000
const maxRemembered = 1_000

/**
 * Writes Warning Events about pods and namespaces whose users made a mistake. Each problem is reported once an hour. At
 * most `burst` are written at once; others wait until `warn` is called for them again.
 */
export class EventWriter {
  readonly #options: EventWriterOptions
  readonly #now: () => number
  /** When each was told last. */
  readonly #told = new BoundedMap<string, number>(maxRemembered)
  #tokens = burst
  #refilledAt: number
  #lastError = ''

  constructor(options: EventWriterOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#refilledAt = this.#now()
  }

  /** Never throws. Logs what it cannot write. */
  async warn(
    subject: EventSubject,
    reason: string,
    problem: string,
    signal: AbortSignal,
  ): Promise<void> {
    const name = eventName(subject, reason, problem)
    const now = this.#now()
    const toldAt = this.#told.get(name)
    if ((toldAt !== undefined && now - toldAt < repeatMs) || !this.#take(now)) return
    this.#told.set(name, now)
    const { log, api } = this.#options
    const what = reason === 'BadAnnotation' ? 'bad annotation' : reason
    log.warn({ [subject.kind.toLowerCase()]: describe(subject), problem }, what)
    try {
      await api.call(
        {
          operation: `write an Event about ${describe(subject)}`,
          path: `/api/v1/namespaces/${subject.namespace}/events`,
          body: this.#event(subject, name, reason, problem),
        },
        signal,
      )
    } catch (error) {
      // Another agent, or an earlier run of this one, has reported the same.
      const isThere = isExplained(error) && error.code === 'API_CONFLICT'
      const message = messageOf(error)
      if (isThere || signal.aborted || message === this.#lastError) return
      this.#lastError = message
      log.warn({ err: message }, 'an Event was not written')
    }
  }

  #take(now: number): boolean {
    const refill = Math.floor((now - this.#refilledAt) / refillMs)
    if (refill > 0) {
      this.#tokens = Math.min(burst, this.#tokens + refill)
      this.#refilledAt += refill * refillMs
    }
    if (this.#tokens === 0) return false
    this.#tokens -= 1
    return true
  }

  #event(subject: EventSubject, name: string, reason: string, message: string): object {
    const { namespace, ...clusterWide } = subject
    const involved = subject.kind === 'Node' ? clusterWide : subject
    const time = new Date(this.#now()).toISOString()
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: { apiVersion: 'v1', ...involved },
      type: 'Warning',
      reason,
      message,
      source: { component: 'meshaccel', host: this.#options.node },
      firstTimestamp: time.replace(/\.\d+/, ''),
      lastTimestamp: time.replace(/\.\d+/, ''),
      count: 1,
    }
  }
}

/** The name of the Event. It is the same on every node and in every run, so that a problem has only one Event. */
function eventName({ name, uid }: EventSubject, reason: string, problem: string): string {
  const hash = createHash('sha256').update(`${uid}\0${reason}\0${problem}`).digest('hex')
  return `${name.slice(0, 200)}.${hash.slice(0, 16)}`
}

function describe({ kind, namespace, name }: EventSubject): string {
  return kind === 'Pod' ? `${namespace}/${name}` : name
}
