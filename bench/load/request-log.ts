import { median } from '../measure/statistics.ts'
import { type Distribution, type Latency, latencyOf } from './latency.ts'

/** One request of h2load's log. */
export interface LoggedRequest {
  readonly startUs: number
  readonly status: number
  readonly latencyUs: number
}

/** The results of a run's steady part. */
export interface Steady {
  readonly requests: number
  readonly seconds: number
  readonly qps: number
  readonly latencyUs: Latency
  readonly latencyDistributionUs: Distribution
}

/** Parses lines of start (us since the epoch), status and time (us). A failed request has status -1. */
export function parseRequestLog(text: string): LoggedRequest[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => {
    const [start, status, latency] = line.split('\t')
    const request = {
      startUs: Number(start),
      status: Number(status),
      latencyUs: Number(latency),
    }
    if (!Number.isFinite(request.startUs + request.status + request.latencyUs)) {
      throw new Error(`not a line of h2load's log: ${line}`)
    }
    return request
  })
}

/**
 * The part of a run from `fromUs` (us since the epoch) until the first connection has done its share of the requests.
 * After that, fewer connections than requested are busy.
 */
export function steadyPart(requests: readonly LoggedRequest[], fromUs: number): Steady {
  const starts = requests.map(({ startUs }) => startUs).toSorted((a, b) => a - b)
  const ends = requests
    .map(({ startUs, latencyUs }) => startUs + latencyUs)
    .toSorted((a, b) => a - b)
  const until = lastFull(starts, ends)
  const inside = requests.filter(({ startUs, latencyUs }) => {
    const end = startUs + latencyUs
    return end > fromUs && end <= until
  })
  const seconds = (until - fromUs) / 1e6
  return {
    requests: inside.length,
    seconds,
    qps: seconds > 0 ? inside.length / seconds : 0,
    ...latencyOf(inside.map(({ latencyUs }) => latencyUs)),
  }
}

/**
 * The last moment with as many open requests as in the middle of the run. With keepalive that is the number of
 * connections. With a connection per request it is fewer, because some connections are being set up.
 */
function lastFull(starts: readonly number[], ends: readonly number[]): number {
  let ended = 0
  const underWay = starts.map((start, index) => {
    while ((ends[ended] ?? Infinity) < start) ended += 1
    return index + 1 - ended
  })
  const usual = median(underWay)
  const last = underWay.findLastIndex((count) => count >= usual)
  return starts[last] ?? 0
}
