import type { Measuring, TraceEventView, TraceRequest } from '../api/views.ts'
import type { AgentConfig } from '../lib/config.ts'
import type { Datapath, DatapathEvent } from '../datapath/datapath.ts'
import { messageOf } from '../lib/errno.ts'
import type { Log } from '../lib/log.ts'
import { podKey } from '../pods/observed-pod.ts'
import type { SeenPod } from '../reconcile/desired.ts'

export interface ObserverOptions {
  readonly datapath: Pick<Datapath, 'measure' | 'label' | 'untold' | 'listen'>
  readonly measure: AgentConfig['measure']
  readonly measureOneIn: AgentConfig['measureOneIn']
  readonly log: Log
}

/** A client that traces, or the export. */
interface Watcher {
  readonly slowReadMs: number
  readonly slowRequestMs: number
  readonly changes: boolean
  readonly tell: (event: TraceEventView, raw: DatapathEvent) => void
}

/** Enables the measurements that clients want, and reports events with the names of pods. */
export class Observer implements Disposable {
  readonly #options: ObserverOptions
  readonly #watchers = new Set<Watcher>()
  readonly #ears: Disposable
  #pods = new Map<bigint, string>()
  #untold = 0n
  #trial: readonly bigint[] = []
  #refused = false

  /** If the kernel refuses the programs, nothing is measured and the log says so. */
  constructor(options: ObserverOptions) {
    this.#options = options
    this.#ears = options.datapath.listen((event) => this.#onEvent(event))
    this.#start()
  }

  /** The current mode of measuring. */
  get measuring(): Measuring {
    const { measure } = this.#options
    return this.#refused && measure !== 'off' ? 'refused' : measure
  }

  /** Sets the names of the pods. */
  follow(seen: readonly SeenPod[]): void {
    const { datapath, measure } = this.#options
    this.#pods = new Map()
    for (const pod of seen) {
      if (!pod.enrolled || pod.netnsCookie === undefined) continue
      this.#pods.set(pod.netnsCookie, podKey(pod))
      datapath.label(pod.netnsCookie, measure === 'pods' ? podKey(pod) : pod.namespace)
    }
  }

  /** Reports events until disposed of. Throws if the kernel refuses to measure. */
  trace({ slowReadMs }: TraceRequest, tell: (event: TraceEventView) => void): Disposable {
    const watcher = { slowReadMs, slowRequestMs: 0, changes: true, tell }
    this.#watchers.add(watcher)
    try {
      this.#apply()
    } catch (error) {
      this.#watchers.delete(watcher)
      throw error
    }
    return {
      [Symbol.dispose]: () => {
        if (this.#watchers.delete(watcher)) this.#apply()
      },
    }
  }

  /**
   * Reports slow requests while the agent runs. If the kernel refuses to measure, there are none and the log says so.
   */
  export(slowRequestMs: number, tell: Watcher['tell']): void {
    this.#watchers.add({ slowReadMs: 0, slowRequestMs, changes: false, tell })
    this.#start()
  }

  /** Counts the pods of a trial; no pods end it. Throws if the kernel refuses to measure. */
  countTrial(netnsCookies: readonly bigint[]): void {
    this.#trial = netnsCookies
    this.#apply()
  }

  [Symbol.dispose](): void {
    this.#watchers.clear()
    this.#ears[Symbol.dispose]()
  }

  /** A failure to measure must not stop the agent. */
  #start(): void {
    try {
      this.#apply()
    } catch (error) {
      this.#refused = true
      this.#options.log.error({ err: messageOf(error) }, 'nothing is measured')
    }
  }

  /** Applies the union of what all clients want. */
  #apply(): void {
    const { datapath, measure, measureOneIn } = this.#options
    const watchers = [...this.#watchers]
    const isSample = watchers.length === 0 && this.#trial.length === 0
    datapath.measure({
      histograms: measure !== 'off',
      oneIn: isSample ? measureOneIn : 1,
      slowReadMs: least(watchers.map(({ slowReadMs }) => slowReadMs)),
      slowRequestMs: least(watchers.map(({ slowRequestMs }) => slowRequestMs)),
      changes: watchers.some(({ changes }) => changes),
      trial: this.#trial,
    })
    this.#untold = datapath.untold()
  }

  #onEvent(event: DatapathEvent): void {
    if (this.#watchers.size === 0) return
    const untold = this.#options.datapath.untold()
    const view = this.#view(event, untold - this.#untold)
    this.#untold = untold
    for (const watcher of this.#watchers) {
      if (wants(watcher, event)) watcher.tell(view, event)
    }
  }

  #view(event: DatapathEvent, dropped: bigint): TraceEventView {
    const { kind, netnsCookie, pid, comm, reason, flow } = event
    const peer = flow && this.#pods.get(flow.peerCookie)
    return {
      timeMs: BigInt(Date.now()),
      kind,
      pod: this.#pods.get(netnsCookie) ?? '',
      pid,
      process: comm,
      ...(reason === undefined ? {} : { reason }),
      ...(peer === undefined ? {} : { peer }),
      ...(flow && { local: flow.local, remote: flow.remote, role: flow.role, path: flow.path }),
      ...(flow && flow.durationNs > 0n && { durationUs: flow.durationNs / 1000n }),
      dropped,
    }
  }
}

/** The smallest value above 0, or 0 if there is none. */
const least = (thresholds: readonly number[]): number => {
  const wanted = thresholds.filter((threshold) => threshold > 0)
  return wanted.length === 0 ? 0 : Math.min(...wanted)
}

function wants(watcher: Watcher, { kind, flow }: DatapathEvent): boolean {
  const tookMs = Number(flow?.durationNs ?? 0n) / 1e6
  if (kind === 'slow-read') return watcher.slowReadMs > 0 && tookMs >= watcher.slowReadMs
  if (kind === 'slow-request') return watcher.slowRequestMs > 0 && tookMs >= watcher.slowRequestMs
  return watcher.changes
}
