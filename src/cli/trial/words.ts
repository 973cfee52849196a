/** The outcome of a trial in words. */

import { formatDuration } from '../../lib/duration.ts'
import type { RatioInterval } from '../../lib/paired-ratio.ts'
import type { CliEnvironment } from '../environment.ts'
import { renderTable } from '../output/table.ts'
import type { TrialOutcome, WindowFigures } from './outcome.ts'
import type { Verdict } from './verdict.ts'

/** The state of the namespace before the trial. */
export interface Before {
  /** Whether any of its pods was enrolled. */
  readonly enrolled: boolean
  /** Where pods come from. */
  readonly source: string
}

export const headlines: Readonly<Record<Verdict, string>> = {
  gains: 'gains: acceleration makes this namespace faster or cheaper',
  'no-difference': 'no difference: acceleration changes nothing that matters',
  loses: 'loses: acceleration makes this namespace slower or dearer',
  'not-sure': 'not sure yet: the windows differ too much from each other',
}

/** Below this share, the fast path is not what was compared. */
const hardlyAny = 0.05

/** The next steps, in sentences. Pure. */
export function adviceOf(outcome: TrialOutcome, { enrolled, source }: Before): string[] {
  const { namespace, verdict, neededMs, redirectedShare, windows } = outcome
  const set = (value: boolean): string =>
    source === 'kubernetes'
      ? `kubectl annotate --overwrite namespace ${namespace} meshaccel.io/enabled=${value}`
      : `write \`enabled: ${value}\` at the pods of ${namespace} in the pods file`
  const exclude =
    source === 'kubernetes'
      ? 'the annotation `meshaccel.io/exclude-ports` keeps single ports on TCP'
      : '`exclude: {ports: [...]}` in the pods file keeps single ports on TCP'
  const join =
    redirectedShare < hardlyAny && windows.length > 0
      ? [
          `Only ${percent(redirectedShare)} of the bytes took the fast path: \`meshaccel explain ${namespace}/POD\` says why.`,
        ]
      : []
  if (verdict === 'gains')
    return [enrolled ? 'Keep it: the namespace is enabled already.' : `Enable it: ${set(true)}`]
  if (verdict === 'loses')
    return [
      enrolled ? `Disable it: ${set(false)}` : 'Leave the namespace disabled.',
      `If only some connections lose, ${exclude}.`,
    ]
  if (verdict === 'no-difference')
    return [...join, enrolled ? 'Nothing has to change.' : 'There is no reason to enable it.']
  if (windows.every(({ requests }) => requests === 0))
    return ['The pods made no requests: try again under load.']
  const longer = neededMs === undefined ? undefined : roundedUp(neededMs)
  return [
    ...join,
    longer === undefined
      ? 'A longer trial would not tell: try again under a steadier load.'
      : `A trial of about ${longer} may tell: meshaccel trial ${namespace} --for ${longer}`,
  ]
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

const roundedUp = (ms: number): string => formatDuration(Math.ceil(ms / 60_000) * 60_000)

interface Row {
  readonly what: string
  readonly unit: (value: number) => string
  readonly figure: (window: WindowFigures) => number | undefined
  readonly ratio: RatioInterval | undefined
}

const us = (value: number): string =>
  value >= 10_000 ? `${(value / 1000).toFixed(1)} ms` : `${value.toFixed(value < 100 ? 1 : 0)} us`
const perSecond = (value: number): string => value.toFixed(value < 10 ? 1 : 0)
const mib = (value: number): string => `${(value / 2 ** 20).toFixed(2)} MiB`

const rowsOf = ({ ratios, pods }: TrialOutcome): Row[] => [
  { what: 'latency p50', unit: us, figure: ({ p50Us }) => p50Us, ratio: ratios.p50 },
  { what: 'latency p90', unit: us, figure: ({ p90Us }) => p90Us, ratio: ratios.p90 },
  { what: 'latency p99', unit: us, figure: ({ p99Us }) => p99Us, ratio: ratios.p99 },
  {
    what: 'CPU per request',
    unit: us,
    figure: ({ cpuUsPerRequest }) => cpuUsPerRequest,
    ratio: ratios.cpu,
  },
  ...pods.map(({ pod, cpu }): Row => ({
    what: `  ${pod}`,
    unit: us,
    figure: (window) => window.pods.find((one) => one.pod === pod)?.cpuUsPerRequest,
    ratio: cpu,
  })),
  {
    what: 'requests per second',
    unit: perSecond,
    figure: ({ requests, durationMs }) => (requests / durationMs) * 1000,
    ratio: ratios.requests,
  },
  {
    what: 'sent per second',
    unit: mib,
    figure: ({ redirectedBytes, tcpBytes, durationMs }) =>
      ((redirectedBytes + tcpBytes) / durationMs) * 1000,
    ratio: ratios.bytes,
  },
]

/** The comparison as rows of text: figure, accelerated, by TCP, ratio, interval. */
export function comparisonRows(outcome: TrialOutcome): string[][] {
  return rowsOf(outcome).map(({ what, unit, figure, ratio }) => {
    const typical = (on: boolean): string => {
      const values = outcome.windows
        .filter((window) => window.on === on)
        .flatMap((window) => figure(window) ?? [])
        .toSorted((one, other) => one - other)
      const median = values[values.length >> 1]
      return median === undefined ? '-' : unit(median)
    }
    return [
      what,
      typical(true),
      typical(false),
      ratio ? ratio.median.toFixed(3) : '-',
      ratio ? `${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)}` : 'too few windows',
    ]
  })
}

export const comparisonTitles = [
  'FIGURE',
  'ACCELERATED',
  'BY TCP',
  'RATIO',
  '95 % INTERVAL',
] as const

export function describeOutcome(
  outcome: TrialOutcome,
  advice: readonly string[],
  environment: CliEnvironment,
): string {
  const columns = comparisonTitles.map((title, index) => ({ title, right: index > 0 }))
  const table = renderTable(columns, comparisonRows(outcome), environment)
  const share = `${percent(outcome.redirectedShare)} of the bytes took the fast path while accelerated.`
  const whose = `Requests are those of the pods' ${outcome.requestsOf === 'programs' ? 'own programs' : 'sidecars'}.`
  return [table, `${share} ${whose}`, headlines[outcome.verdict], ...advice, ''].join('\n')
}
