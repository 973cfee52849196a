/** Trials: the agent switches a namespace's acceleration on and off, and measures what that changes. */

import type {
  TrialEventView,
  TrialRequest,
  TrialRunningView,
  TrialWindowView,
} from '../../api/views.ts'
import type { Datapath } from '../../datapath/datapath.ts'
import { requireAccelerating } from '../require-accelerating.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { pause, type Pause } from '../../lib/pause.ts'
import { seededRandom } from '../../lib/seeded-random.ts'
import { podKey } from '../../pods/observed-pod.ts'
import type { SeenPod } from '../../reconcile/desired.ts'
import type { Reconciler } from '../../reconcile/reconciler.ts'
import { inTrial } from '../../reconcile/trial.ts'
import type { Observer } from '../observer.ts'
import { countsBetween } from './counts.ts'
import type { CpuUse } from './pod-cpu.ts'
import { planWindows } from './windows.ts'

export interface TrialsOptions {
  readonly datapath: Pick<Datapath, 'policy' | 'redirecting' | 'trial'>
  readonly reconciler: Pick<Reconciler, 'seen' | 'applied' | 'override'>
  readonly observer: Pick<Observer, 'measuring' | 'countTrial'>
  /** Begins to count the processor time of pods. */
  readonly countCpu: (pods: readonly TriedPod[]) => () => CpuUse
  /** The pods that a capture holds on TCP: `namespace/name`. */
  readonly held: () => readonly string[]
  /** Tells users of the cluster what happens on this node. */
  readonly tell: (reason: string, message: string) => void
  readonly log: Log
  readonly wait?: Pause
}

export interface TriedPod {
  readonly pod: string
  readonly netnsCookie: bigint
  readonly netnsPath: string
}

/** At most one trial at a time. Nothing of a trial outlives its stream or the agent. */
export class Trials {
  readonly #options: TrialsOptions
  readonly #wait: Pause
  #running: TrialRunningView | undefined

  constructor(options: TrialsOptions) {
    this.#options = options
    this.#wait = options.wait ?? pause
  }

  /** The trial that runs now. */
  get running(): TrialRunningView | undefined {
    return this.#running
  }

  /**
   * Yields each window after it has ended. However it ends, the namespace is then as its annotations say. Throws
   * TRIAL_RUNS, NOT_ACCELERATING or NO_PODS.
   */
  async *run(request: TrialRequest, signal: AbortSignal): AsyncGenerator<TrialEventView> {
    const { namespace } = request
    this.#check(namespace)
    const { reconciler, observer, tell, log } = this.#options
    this.#running = { namespace, on: true }
    log.info({ namespace, pairs: request.pairs, windowMs: request.windowMs }, 'trial begins')
    try {
      const { measuring } = observer
      const pods = await this.#switch(namespace, true)
      if (pods.length === 0) throw noPods(namespace, this.#seen(namespace))
      const since = new Date().toISOString()
      tell(
        'TrialRuns',
        `since ${since} a trial switches the acceleration of namespace ${namespace} on and off`,
      )
      const leftOut = this.#seen(namespace)
        .filter(({ enrolled }) => !enrolled)
        .map((pod) => ({ pod: podKey(pod), reason: pod.reason ?? '' }))
      yield { begun: { pods: pods.map(({ pod }) => pod), leftOut, measuring } }
      yield* this.#windows(request, signal)
    } finally {
      this.#running = undefined
      await reconciler.override(this, undefined)
      observer.countTrial([])
      log.info({ namespace, complete: !signal.aborted }, 'trial ended')
    }
  }

  async *#windows(request: TrialRequest, signal: AbortSignal): AsyncGenerator<TrialEventView> {
    const { namespace, pairs, windowMs, settleMs, seed } = request
    const { datapath, countCpu } = this.#options
    const began = performance.now()
    for (const { pair, on } of planWindows(pairs, seededRandom(seed))) {
      const pods = await this.#switch(namespace, on)
      await this.#wait(settleMs, signal)
      if (signal.aborted) return
      const from = performance.now()
      const cpuUse = countCpu(pods)
      const before = datapath.trial()
      await this.#wait(windowMs - settleMs, signal)
      if (signal.aborted) return
      const { totalUs, pods: cpu } = cpuUse()
      const window: TrialWindowView = {
        pair,
        on,
        startMs: BigInt(Math.round(from - began)),
        durationMs: BigInt(Math.round(performance.now() - from)),
        ...countsBetween(before, datapath.trial()),
        ...(totalUs === undefined ? {} : { cpuUs: BigInt(totalUs) }),
        cpu: cpu.map(({ pod, cpuUs }) => ({ pod, cpuUs: BigInt(cpuUs) })),
      }
      yield { window }
    }
  }

  /** Switches the namespace, and counts the pods that are enrolled then. */
  async #switch(namespace: string, on: boolean): Promise<TriedPod[]> {
    const { reconciler, observer } = this.#options
    this.#running = { namespace, on }
    await reconciler.override(this, (pod) => inTrial(pod, { namespace, on }))
    const pods = this.#seen(namespace).flatMap((pod): TriedPod[] => {
      const { enrolled, netnsCookie } = pod
      const netnsPath = netnsCookie === undefined ? undefined : this.#netnsPath(netnsCookie)
      if (!enrolled || netnsCookie === undefined || netnsPath === undefined) return []
      return [{ pod: podKey(pod), netnsCookie, netnsPath }]
    })
    observer.countTrial(pods.map(({ netnsCookie }) => netnsCookie))
    return pods
  }

  #netnsPath(netnsCookie: bigint): string | undefined {
    return this.#options.reconciler.applied.get(netnsCookie)?.netnsPath
  }

  #seen(namespace: string): SeenPod[] {
    return this.#options.reconciler.seen.filter((pod) => pod.namespace === namespace)
  }

  #check(namespace: string): void {
    const operation = `try namespace ${namespace}`
    if (this.#running) {
      throw new MeshaccelError(`a trial of namespace ${this.#running.namespace} runs already`, {
        code: 'TRIAL_RUNS',
        operation,
        hint: 'A node makes one trial at a time. Wait until it has ended, or end its command.',
        retryable: true,
      })
    }
    requireAccelerating(this.#options.datapath, operation)
    if (this.#seen(namespace).length === 0) throw noPods(namespace, [])
    const [held] = this.#options.held().filter((pod) => pod.startsWith(`${namespace}/`))
    if (held !== undefined) {
      throw new MeshaccelError(`a capture holds ${held} on TCP`, {
        code: 'POD_HELD',
        operation,
        hint: 'Both kinds of windows would be alike for this pod. End the capture first.',
        retryable: true,
      })
    }
  }
}

function noPods(namespace: string, seen: readonly SeenPod[]): MeshaccelError {
  const reasons = [...new Set(seen.map(({ reason }) => reason))].join(', ')
  return new MeshaccelError(
    seen.length === 0
      ? 'it has no pods on this node'
      : `none of its pods can be accelerated: ${reasons}`,
    {
      code: 'NO_PODS',
      operation: `try namespace ${namespace}`,
      hint: '`meshaccel pods` lists the pods of this node. A trial leaves pods alone that are disabled by name.',
    },
  )
}
