/** Holds: the agent keeps a pod on TCP for as long as a client wants it, such as a capture of packets. */

import type { HoldEventView, HoldRequest, TrialRunningView } from '../api/views.ts'
import type { Datapath, Flow } from '../datapath/datapath.ts'
import { describeStalledReaders } from '../datapath/loop/stalled-readers.ts'
import { MeshaccelError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { pause, type Pause } from '../lib/pause.ts'
import { podKey } from '../pods/observed-pod.ts'
import type { FoundNetns, SeenPod } from '../reconcile/desired.ts'
import { everything, onTcp } from '../reconcile/on-tcp.ts'
import type { Reconciler } from '../reconcile/reconciler.ts'

export interface HoldsOptions {
  readonly datapath: Pick<Datapath, 'policy' | 'enrolled' | 'flows'>
  readonly reconciler: Pick<Reconciler, 'seen' | 'applied' | 'override' | 'netnsOf'>
  /** The trial that runs now. */
  readonly trial: () => TrialRunningView | undefined
  /** Tells users of the cluster what happens on this node. */
  readonly tell: (reason: string, message: string) => void
  readonly log: Log
  readonly wait?: Pause
}

/** The pause between two looks at the members, and at the pod once it is on TCP. */
const lookMs = 100
const checkMs = 1_000
/** A look reads all connections of the node. The agent spends at most this share of its time on it. */
const lookShare = 0.2

/** Several clients may hold the same pod. Nothing of a hold outlives its stream or the agent. */
export class Holds {
  readonly #options: HoldsOptions
  readonly #wait: Pause
  readonly #held = new Set<{ readonly pod: string }>()

  constructor(options: HoldsOptions) {
    this.#options = options
    this.#wait = options.wait ?? pause
  }

  /** The pods that are held now: `namespace/name`. */
  get pods(): readonly string[] {
    return [...new Set([...this.#held].map(({ pod }) => pod))].toSorted()
  }

  /**
   * Yields what it waits for, and then where the pod is. From then on no byte of the pod skips its network, until the
   * signal aborts. However it ends, the pod is then as its annotations say. Throws NO_SUCH_POD, NO_NETNS, TRIAL_RUNS, and
   * POD_GONE once the pod has ended.
   */
  async *run({ pod }: HoldRequest, signal: AbortSignal): AsyncGenerator<HoldEventView> {
    const { netnsCookie, netnsPath } = this.#find(pod)
    const { reconciler, tell, log } = this.#options
    const owner = { pod }
    this.#held.add(owner)
    log.info({ pod }, 'held on TCP')
    tell('CaptureRuns', `since ${new Date().toISOString()} pod ${pod} is on TCP for a capture`)
    try {
      await reconciler.override(owner, (one) => (podKey(one) === pod ? onTcp(one) : one))
      yield* this.#untilAlone(pod, netnsCookie, signal)
      if (signal.aborted) return
      yield { held: { netnsPath, netnsCookie } }
      while (!signal.aborted) {
        await this.#wait(checkMs, signal)
        this.#requirePod(pod, netnsCookie)
      }
    } finally {
      this.#held.delete(owner)
      await reconciler.override(owner, undefined)
      log.info({ pod }, 'no longer held on TCP')
    }
  }

  /** Waits until no connection of the pod is a member. No connection joins once the maps have the rule. */
  async *#untilAlone(
    pod: string,
    netnsCookie: bigint,
    signal: AbortSignal,
  ): AsyncGenerator<HoldEventView> {
    while (!signal.aborted) {
      const began = performance.now()
      const hasRule = this.#hasRule(this.#requirePod(pod, netnsCookie), netnsCookie)
      const members = await this.#members(netnsCookie)
      if (hasRule && members.length === 0) return
      const readers = describeStalledReaders(members, (cookie) => this.#nameOf(cookie))
      yield { waiting: { connections: members.length, readers } }
      const tookMs = performance.now() - began
      await this.#wait(Math.max(lookMs, tookMs / lookShare), signal)
    }
  }

  /** Whether the maps say that no connection of the pod may join. */
  #hasRule({ enrolled }: SeenPod, netnsCookie: bigint): boolean {
    const { datapath, reconciler } = this.#options
    if (datapath.policy === 'refused') return true
    if (!enrolled) return !datapath.enrolled().has(netnsCookie)
    return reconciler.applied.get(netnsCookie)?.exclusions === everything
  }

  async #members(netnsCookie: bigint): Promise<Flow[]> {
    const members: Flow[] = []
    for await (const flows of this.#options.datapath.flows()) {
      members.push(
        ...flows.filter(
          ({ client, server, state }) =>
            state !== 'watched' &&
            (client?.netnsCookie === netnsCookie || server?.netnsCookie === netnsCookie),
        ),
      )
    }
    return members
  }

  #nameOf(netnsCookie: bigint): string | undefined {
    const pod = this.#options.reconciler.seen.find((one) => one.netnsCookie === netnsCookie)
    return pod && podKey(pod)
  }

  #find(key: string): FoundNetns {
    const { reconciler, trial } = this.#options
    const operation = `hold ${key} on TCP`
    const pod = this.#seen(key)
    if (!pod) {
      throw new MeshaccelError('the agent of this node does not see this pod', {
        code: 'NO_SUCH_POD',
        operation,
        hint: '`meshaccel pods` lists the pods of this node. A pod is named NAMESPACE/NAME, and captured on its own node.',
      })
    }
    const running = trial()
    if (running?.namespace === pod.namespace) {
      throw new MeshaccelError(`a trial of namespace ${pod.namespace} runs`, {
        code: 'TRIAL_RUNS',
        operation,
        hint: 'A trial switches this pod itself. Wait until it has ended, or end its command.',
        retryable: true,
      })
    }
    const found = reconciler.netnsOf(key)
    const isKnown = found !== undefined && !('reason' in found)
    if (isKnown && pod.reason !== 'duplicate-netns') return found
    throw noNetns(operation, pod.reason)
  }

  /** Throws POD_GONE if the pod has ended, or if another one has its name now. */
  #requirePod(key: string, netnsCookie: bigint): SeenPod {
    const pod = this.#seen(key)
    if (pod?.netnsCookie === netnsCookie) return pod
    throw new MeshaccelError('the pod has ended', {
      code: 'POD_GONE',
      operation: `hold ${key} on TCP`,
      hint: 'If another pod has its name now, begin again.',
      retryable: true,
    })
  }

  #seen(key: string): SeenPod | undefined {
    return this.#options.reconciler.seen.find((pod) => podKey(pod) === key)
  }
}

function noNetns(operation: string, reason: SeenPod['reason']): MeshaccelError {
  const fail = (message: string, hint: string): MeshaccelError =>
    new MeshaccelError(message, { code: 'NO_NETNS', operation, hint })
  if (reason === 'host-network') {
    return fail(
      "it has the node's own network namespace",
      'Its connections are never accelerated. Capture on the node, with tcpdump itself.',
    )
  }
  if (reason === 'duplicate-netns') {
    return fail(
      'another pod has the same network namespace',
      'Name that pod: `meshaccel pods` shows both with the same address.',
    )
  }
  return fail(
    `its network namespace is not known (${reason ?? 'netns-unknown'})`,
    '`meshaccel explain` says what to do about it.',
  )
}
