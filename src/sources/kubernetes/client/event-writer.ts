import { createHash } from 'node:crypto'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import { messageOf } from '../../../lib/errno.ts'
import { isExplained } from '../../../lib/errors.ts'
import type { Log } from '../../../lib/log.ts'
import type { KubeApi } from './api.ts'

/** Whom an Event is about. */
export interface EventSubject {
  readonly kind: 'Pod' | 'Namespace' | 'Node'
  /** Where the Event is; for a node `default`, as the kubelet has it. */
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface EventWriterOptions {
  readonly api: Pick<KubeApi, 'call'>
  /** The node, as the Event's reporting instance. */
  readonly node: string
  readonly log: Log
  readonly now?: () => number
}

/** Events of the API server live for an hour; what is still wrong then is told again. */
const repeatMs = 3_600_000
const burst = 20
const refillMs = 5_000
const maxRemembered = 1_000

/**
 * Tells users what is wrong with what they have written, as Warning Events of their pods and namespaces. Each problem
 * is told once an hour, and at most `burst` of them at a time: what is over the limit waits for its next mention.
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

  /** Never throws; what cannot be written is logged. */
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
      // Another agent, or this one in an earlier life, has told the same.
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

/** The same for the same problem on every node and in every life of the agent, so that it is there once. */
function eventName({ name, uid }: EventSubject, reason: string, problem: string): string {
  const hash = createHash('sha256').update(`${uid}\0${reason}\0${problem}`).digest('hex')
  return `${name.slice(0, 200)}.${hash.slice(0, 16)}`
}

function describe({ kind, namespace, name }: EventSubject): string {
  return kind === 'Pod' ? `${namespace}/${name}` : name
}
