/** Advice: what acceleration would do for pods that nobody has enabled. It watches them, and changes no connection. */

import { setTimeout as pause } from 'node:timers/promises'
import type {
  AdviceBegunView,
  AdviceEventView,
  AdviceRunningView,
  AdviseRequest,
} from '../../api/views/advice.ts'
import type { Datapath, UnwatchedSocket } from '../../datapath/datapath.ts'
import { messageOf } from '../../lib/errno.ts'
import { requireAccelerating } from '../require-accelerating.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { podKey } from '../../pods/observed-pod.ts'
import type { Reconciler } from '../../reconcile/reconciler.ts'
import type { Candidate } from '../../reconcile/watch.ts'
import { agentCpuUs, LookCost } from './look-cost.ts'
import { type CountSockets, OpenCounters } from './open-counters.ts'
import { AdviceTally, type PodAt, type WatchedPod } from './tally.ts'

export interface AdviceOptions {
  readonly datapath: Pick<Datapath, 'policy' | 'redirecting' | 'flows' | 'unwatched'>
  readonly reconciler: Pick<Reconciler, 'seen' | 'candidates' | 'watch'>
  readonly countSockets: CountSockets
  readonly log: Log
  /** The agent's processor time so far, in microseconds. */
  readonly cpuUs?: () => number
  /** Milliseconds. */
  readonly now?: () => number
  /** Resolves after `ms`, or once the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** The longest time that pods are watched. */
const longestMs = 600_000
/** Established sockets of all watched pods together, at the beginning. The kernel's table has room for 262,144. */
const socketLimit = 20_000
/** Older connections are found within the first second or two. So one look alone tells little. */
const fewestLooks = 3
/** Between two looks: a tenth of the time, within these bounds. */
const pauseBoundsMs = [200, 1_000] as const
/** A pause takes this many times as long as the look before it: looks take 2 % of a core at most. */
const pausePerLook = 49
/** But on a busy machine a look takes long without using the processor. So a pause is at most this part of the time. */
const longestPausePart = 1 / 5

/** A pod to watch. */
type Chosen = WatchedPod & Pick<Candidate, 'hasRules'> & { readonly netnsPath: string }

/** One at a time. Nothing of it outlives its stream or the agent. */
export class Advice {
  readonly #options: AdviceOptions
  #running: AdviceRunningView | undefined

  constructor(options: AdviceOptions) {
    this.#options = options
  }

  /** The advice that is being made now. */
  get running(): AdviceRunningView | undefined {
    return this.#running
  }

  /** Yields a report after each look. Throws ADVICE_RUNS, NOT_ACCELERATING or NO_PODS. */
  async *run(
    { namespaces, forMs }: AdviseRequest,
    signal: AbortSignal,
  ): AsyncGenerator<AdviceEventView> {
    this.#check(namespaces)
    const { reconciler, log } = this.#options
    this.#running = { namespaces }
    try {
      const { chosen, begun } = this.#choose(namespaces)
      this.#running = { namespaces: [...new Set(chosen.map(({ namespace }) => namespace))] }
      log.info({ pods: chosen.length, sockets: begun.sockets, forMs }, 'watches pods for advice')
      await reconciler.watch(new Set(chosen.map(({ pod }) => pod)))
      yield { begun }
      yield* this.#looks(chosen, Math.min(forMs, longestMs), signal)
    } finally {
      this.#running = undefined
      await reconciler.watch(new Set())
      log.info({ complete: !signal.aborted }, 'watches no pods for advice any more')
    }
  }

  async *#looks(
    chosen: readonly Chosen[],
    forMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<AdviceEventView> {
    const { wait = waitFor, now = () => performance.now() } = this.#options
    const watched = new Map(chosen.map((pod) => [pod.netnsCookie, pod]))
    const tally = new AdviceTally({ watched, podAt: this.#podAt() })
    const counters = new OpenCounters(chosen, this.#options.countSockets)
    const cost = new LookCost(this.#options.cpuUs ?? agentCpuUs, now)
    const began = now()
    const shortestPauseMs = Math.min(Math.max(forMs / 10, pauseBoundsMs[0]), pauseBoundsMs[1])
    let pauseMs = shortestPauseMs
    for (let looks = 1; ; looks += 1) {
      const leftMs = Math.max(began + forMs - now(), looks <= fewestLooks ? shortestPauseMs : 0)
      await wait(Math.min(pauseMs, leftMs), signal)
      if (signal.aborted) return
      const look = cost.begin()
      const elapsedMs = now() - began
      tally.beginLook(elapsedMs)
      for await (const flows of this.#options.datapath.flows()) {
        for (const flow of flows) tally.add(flow)
      }
      const walking = now()
      for (const pod of chosen) tally.addUnwatched(pod, await this.#unwatched(pod))
      const walkMs = now() - walking
      tally.endLook()
      const views = tally.views(counters.opened())
      pauseMs = Math.max(
        shortestPauseMs,
        Math.min(pausePerLook * look.end(walkMs), forMs * longestPausePart),
      )
      yield {
        report: {
          elapsedMs: Math.round(elapsedMs),
          cost: cost.view(pauseMs, tally.uncounted),
          namespaces: views,
        },
      }
      if (elapsedMs >= forMs && looks >= fewestLooks) return
    }
  }

  /** Chooses the pods to watch. */
  #choose(namespaces: readonly string[]): { chosen: readonly Chosen[]; begun: AdviceBegunView } {
    const chosen: Chosen[] = []
    const leftOut: { pod: string; reason: string }[] = []
    let sockets = 0
    for (const candidate of this.#asked(namespaces)) {
      const { pod, namespace, netnsCookie, netnsPath, isRefused, hasRules } = candidate
      const established = netnsPath === undefined ? undefined : this.#established(netnsPath)
      const reason =
        isRefused && !namespaces.includes(namespace)
          ? 'disabled-by-name'
          : (candidate.reason ??
            (established === undefined
              ? 'netns-gone'
              : sockets + established > socketLimit
                ? 'too-many-sockets'
                : undefined))
      if (reason !== undefined || netnsCookie === undefined || netnsPath === undefined) {
        leftOut.push({ pod, reason: reason ?? 'netns-unknown' })
        continue
      }
      sockets += established ?? 0
      chosen.push({ pod, namespace, netnsCookie, netnsPath, hasRules })
    }
    if (chosen.length === 0) throw noPods(namespaces, leftOut)
    const pods = chosen.map(({ pod }) => pod)
    const withRules = chosen.filter(({ hasRules }) => hasRules).map(({ pod }) => pod)
    return { chosen, begun: { pods, sockets, leftOut, withRules } }
  }

  #asked(namespaces: readonly string[]): Candidate[] {
    return this.#options.reconciler
      .candidates()
      .filter(({ namespace }) => namespaces.length === 0 || namespaces.includes(namespace))
  }

  /** A pod that ends meanwhile has none. */
  async #unwatched({ pod, netnsCookie }: Chosen): Promise<UnwatchedSocket[] | undefined> {
    const { datapath, log } = this.#options
    try {
      return await datapath.unwatched(netnsCookie)
    } catch (error) {
      log.debug({ pod, err: messageOf(error) }, 'its sockets cannot be read')
      return undefined
    }
  }

  #established(netnsPath: string): number | undefined {
    try {
      return this.#options.countSockets(netnsPath).established
    } catch {
      return undefined
    }
  }

  #podAt(): PodAt {
    const at = new Map(
      this.#options.reconciler.seen.flatMap((pod) =>
        pod.ips.map((ip) => {
          const { reason } = pod
          return [ip, { pod: podKey(pod), ...(reason === undefined ? {} : { reason }) }] as const
        }),
      ),
    )
    return (address) => at.get(address)
  }

  #check(namespaces: readonly string[]): void {
    const operation = operationOf(namespaces)
    if (this.#running) {
      throw new MeshaccelError('another command already has pods watched', {
        code: 'ADVICE_RUNS',
        operation,
        hint: 'A node makes one advice at a time. Wait until it has ended, or end its command.',
        retryable: true,
      })
    }
    requireAccelerating(this.#options.datapath, operation)
  }
}

const operationOf = (namespaces: readonly string[]): string =>
  namespaces.length === 0 ? 'advise' : `advise about ${namespaces.join(', ')}`

function noPods(
  namespaces: readonly string[],
  leftOut: readonly { readonly reason: string }[],
): MeshaccelError {
  const reasons = [...new Set(leftOut.map(({ reason }) => reason))].join(', ')
  const disabledHint = reasons.includes('disabled-by-name')
    ? ' Pods that are disabled by name are watched if you name their namespace.'
    : ''
  return new MeshaccelError(
    leftOut.length > 0
      ? `no pod can be watched: ${reasons}`
      : namespaces.length === 0
        ? 'every pod of this node is enabled'
        : 'they have no pods on this node that are not enabled',
    {
      code: 'NO_PODS',
      operation: operationOf(namespaces),
      hint: `\`meshaccel pods\` lists the pods of this node, and \`meshaccel explain NS/POD\` explains one.${disabledHint}`,
    },
  )
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(ms, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
