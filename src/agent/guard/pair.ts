/** A pair of windows of the guard: some pods run with acceleration in one of them, and by TCP in the other. */

import type { Datapath } from '../../datapath/datapath.ts'
import type { Pause } from '../../lib/pause.ts'
import type { ObservedPod } from '../../pods/observed-pod.ts'
import { onTcp } from '../../reconcile/on-tcp.ts'
import type { Reconciler } from '../../reconcile/reconciler.ts'
import type { Observer } from '../observer.ts'
import { countsBetween, type WindowCounts } from '../trial/counts.ts'
import { planWindows } from '../trial/windows.ts'

export interface PairParts {
  readonly datapath: Pick<Datapath, 'trial'>
  readonly reconciler: Pick<Reconciler, 'override'>
  readonly observer: Pick<Observer, 'countTrial'>
  readonly random: () => number
  readonly wait: Pause
}

/** The pods of a pair. */
export interface PairOf {
  readonly includes: (pod: ObservedPod) => boolean
  readonly netnsCookies: readonly bigint[]
}

/** The length of each window. The settling time, in which connections join or leave, does not count. */
export const windowMs = 10_000
export const settleMs = 2_500

/** Windows with fewer requests say nothing about the slowest hundredth. */
const fewestRequests = 100

/**
 * Resolves to p99 with acceleration divided by p99 by TCP. Resolves to undefined if there were too few requests, or once
 * the signal aborts. However it ends, the pods are then as they were. Throws if the kernel refuses to measure.
 */
export async function measurePair(
  { datapath, reconciler, observer, random, wait }: PairParts,
  { includes, netnsCookies }: PairOf,
  signal: AbortSignal,
): Promise<number | undefined> {
  const owner = {}
  const counted = new Map<boolean, WindowCounts>()
  try {
    observer.countTrial(netnsCookies)
    for (const { on } of planWindows(1, random)) {
      await reconciler.override(
        owner,
        on ? undefined : (pod): ObservedPod => (includes(pod) ? onTcp(pod) : pod),
      )
      await wait(settleMs, signal)
      if (signal.aborted) return undefined
      const before = datapath.trial()
      await wait(windowMs - settleMs, signal)
      if (signal.aborted) return undefined
      counted.set(on, countsBetween(before, datapath.trial()))
    }
  } finally {
    await reconciler.override(owner, undefined)
    observer.countTrial([])
  }
  const [on, off] = [counted.get(true), counted.get(false)]
  return on && off && ratioOf(on, off)
}

/** The requests are those of the programs, or of the sidecars if the pods mainly serve: as in a trial. Pure. */
function ratioOf(on: WindowCounts, off: WindowCounts): number | undefined {
  const total = (of: 'programs' | 'proxies'): bigint => on[of].count + off[of].count
  const of = total('programs') * 10n >= total('proxies') ? 'programs' : 'proxies'
  const [fast, slow] = [on[of], off[of]]
  if (fast.count < fewestRequests || slow.count < fewestRequests) return undefined
  return fast.p99Us > 0 && slow.p99Us > 0 ? fast.p99Us / slow.p99Us : undefined
}
