import { MeshaccelError } from '../../src/lib/errors.ts'
import type { Distribution, Latency } from '../load/latency.ts'

/** The fields of `fortio load -json` that the bench reads. Times are in seconds. */
interface Printed {
  readonly Version?: string
  readonly ActualQPS: number
  readonly RetCodes: Readonly<Record<string, number>>
  readonly DurationHistogram: {
    readonly Count: number
    readonly Data: readonly { readonly End: number; readonly Percent: number }[]
    readonly Percentiles: readonly { readonly Percentile: number; readonly Value: number }[]
  }
}

export interface FortioResult {
  readonly version: string
  readonly qps: number
  readonly latencyUs: Latency
  readonly latencyDistributionUs: Distribution
}

/**
 * Finds the result in a pod's log, which may contain lines of the standard error inside it. Throws unless all requests
 * were answered with 200.
 */
export function parseFortio(log: string): FortioResult {
  const printed = log.match(/^(?:[{}]$| .*$)/gm)?.join('\n') ?? ''
  const json = /^\{\n[\s\S]*?^\}$/m.exec(printed)?.[0]
  if (json === undefined) throw failed(`it printed no result: ${log.slice(-2000).trim()}`)
  const {
    Version: version,
    ActualQPS: qps,
    RetCodes: codes,
    DurationHistogram: histogram,
  }: Printed = JSON.parse(json)
  const wrong = Object.entries(codes).filter(([code]) => code !== '200')
  if (wrong.length > 0 || codes['200'] !== histogram.Count) {
    const counts = wrong.map(([code, count]) => `${count} with ${code}`).join(', ')
    throw failed(`of ${histogram.Count} requests not all were answered with 200: ${counts}`)
  }
  const at = (wanted: number): number => {
    const found = histogram.Percentiles.find(({ Percentile: percentile }) => percentile === wanted)
    if (!found) throw failed(`it printed no percentile ${wanted}`)
    return found.Value * 1e6
  }
  return {
    version: version ?? 'unknown',
    qps,
    latencyUs: { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9) },
    latencyDistributionUs: thinned(
      histogram.Data.filter(({ Percent: percent }) => percent < 100).map(
        ({ End: end, Percent: percent }) => [percent / 100, end * 1e6] as const,
      ),
    ),
  }
}

const POINTS = 40

/** Reduces a distribution to about the points of a plot, evenly on its scale of nines. */
function thinned(points: Distribution): Distribution {
  const step = nines(points.at(-1)?.[0] ?? 0) / POINTS
  let next = 0
  return points.filter(([share]) => {
    if (nines(share) < next) return false
    next = nines(share) + step
    return true
  })
}

const nines = (share: number): number => -Math.log10(1 - share)

const failed = (reason: string): MeshaccelError =>
  new MeshaccelError(reason, { code: 'LOAD_FAILED', operation: 'run the load pod' })
