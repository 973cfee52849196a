/** The result of a trial, from its windows. */

import type { TrialWindowView } from '../../api/views.ts'
import { pairedRatio, type RatioInterval } from '../../lib/paired-ratio.ts'
import { pairsNeeded, type Verdict, verdictOf } from './verdict.ts'

/** The figures of one window. */
export interface WindowFigures {
  readonly pair: number
  readonly on: boolean
  readonly startMs: number
  readonly durationMs: number
  readonly requests: number
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
  /** Absent if the cgroups of the pods are unknown. */
  readonly cpuUsPerRequest?: number
  readonly redirectedBytes: number
  readonly tcpBytes: number
  readonly pods: readonly { readonly pod: string; readonly cpuUsPerRequest: number }[]
}

/** With acceleration against without it. A ratio above 1 means more. */
export interface TrialRatios {
  readonly p50?: RatioInterval
  readonly p90?: RatioInterval
  readonly p99?: RatioInterval
  readonly cpu?: RatioInterval
  /** Each second. */
  readonly requests?: RatioInterval
  readonly bytes?: RatioInterval
}

export interface TrialOutcome {
  readonly namespace: string
  /** The clients whose requests are compared: the pods' own programs, or their sidecars. */
  readonly requestsOf: 'programs' | 'sidecars'
  readonly windows: readonly WindowFigures[]
  readonly ratios: TrialRatios
  /** Processor time of each pod for each request of the namespace. */
  readonly pods: readonly { readonly pod: string; readonly cpu: RatioInterval }[]
  /** The share of bytes that took the fast path in windows with acceleration. */
  readonly redirectedShare: number
  readonly verdict: Verdict
  /** The duration of a trial that would tell, if the verdict is `not-sure` and such a trial makes sense. */
  readonly neededMs?: number
}

/** Windows with fewer requests say nothing about a tail. */
const fewestRequests = 20

/** Pure. `windowMs` is the length of a whole window. */
export function outcomeOf(
  namespace: string,
  views: readonly TrialWindowView[],
  windowMs: number,
): TrialOutcome {
  const total = (of: 'programs' | 'proxies'): bigint =>
    views.reduce((sum, view) => sum + view[of].count, 0n)
  // A request of a program passes sidecars as well. Pods that only serve have no requests of their own, or few.
  const ofPrograms = total('programs') * 10n >= total('proxies')
  const windows = views.map((view) => figuresOf(view, ofPrograms ? 'programs' : 'proxies'))
  const pairs = pairsOf(windows)
  const ratio = (
    figure: (window: WindowFigures) => number | undefined,
  ): RatioInterval | undefined =>
    pairedRatio(
      pairs.flatMap(([on, off]) => {
        const [mine, theirs] = [figure(on), figure(off)]
        return mine !== undefined && theirs !== undefined && mine > 0 && theirs > 0
          ? [{ on: mine, off: theirs }]
          : []
      }),
    )
  const ratios = known({
    p50: ratio(({ p50Us }) => p50Us),
    p90: ratio(({ p90Us }) => p90Us),
    p99: ratio(({ p99Us }) => p99Us),
    cpu: ratio(({ cpuUsPerRequest }) => cpuUsPerRequest),
    requests: ratio(({ requests, durationMs }) => requests / durationMs),
    bytes: ratio(
      ({ redirectedBytes, tcpBytes, durationMs }) => (redirectedBytes + tcpBytes) / durationMs,
    ),
  })
  const names = [...new Set(windows.flatMap(({ pods }) => pods.map(({ pod }) => pod)))].toSorted()
  const verdict = verdictOf(ratios)
  const needed = verdict === 'not-sure' ? pairsNeeded(ratios) : undefined
  const accelerated = windows.filter(({ on }) => on)
  const redirected = sum(accelerated, ({ redirectedBytes }) => redirectedBytes)
  const byTcp = sum(accelerated, ({ tcpBytes }) => tcpBytes)
  return {
    namespace,
    requestsOf: ofPrograms ? 'programs' : 'sidecars',
    windows,
    ratios,
    pods: names.flatMap((name) => {
      const cpu = ratio(({ pods }) => pods.find(({ pod }) => pod === name)?.cpuUsPerRequest)
      return cpu ? [{ pod: name, cpu }] : []
    }),
    redirectedShare: redirected + byTcp === 0 ? 0 : redirected / (redirected + byTcp),
    verdict,
    ...(needed === undefined ? {} : { neededMs: needed * 2 * windowMs }),
  }
}

const sum = (
  windows: readonly WindowFigures[],
  figure: (window: WindowFigures) => number,
): number => windows.reduce((total, window) => total + figure(window), 0)

function figuresOf(view: TrialWindowView, of: 'programs' | 'proxies'): WindowFigures {
  const { count, p50Us, p90Us, p99Us } = view[of]
  const requests = Number(count)
  return {
    pair: view.pair,
    on: view.on,
    startMs: Number(view.startMs),
    durationMs: Number(view.durationMs),
    requests,
    p50Us,
    p90Us,
    p99Us,
    ...(view.cpuUs === undefined || requests === 0
      ? {}
      : { cpuUsPerRequest: Number(view.cpuUs) / requests }),
    redirectedBytes: Number(view.redirectedBytes),
    tcpBytes: Number(view.tcpBytes),
    pods:
      requests === 0
        ? []
        : view.cpu.map(({ pod, cpuUs }) => ({ pod, cpuUsPerRequest: Number(cpuUs) / requests })),
  }
}

/** The complete pairs that have enough requests. */
function pairsOf(windows: readonly WindowFigures[]): [on: WindowFigures, off: WindowFigures][] {
  const enough = windows.filter(({ requests }) => requests >= fewestRequests)
  return enough
    .filter(({ on }) => on)
    .flatMap((on): [WindowFigures, WindowFigures][] => {
      const off = enough.find((other) => other.pair === on.pair && !other.on)
      return off ? [[on, off]] : []
    })
}

function known(
  ratios: Readonly<Record<keyof TrialRatios, RatioInterval | undefined>>,
): TrialRatios {
  return Object.fromEntries(Object.entries(ratios).filter(([, ratio]) => ratio !== undefined))
}
