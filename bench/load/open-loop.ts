import type { Endpoint } from '../system/endpoint.ts'
import { type Pod, startInPod } from '../topology/pod.ts'
import type { UndoStack } from '../system/undo-stack.ts'
import { type Distribution, type Latency, latencyOf } from './latency.ts'
import { loadProgram } from './program.ts'
import type { Waiting } from '../measure/polling.ts'
import { parseRequestLog } from './request-log.ts'

export interface FixedRateLoad {
  readonly target: Endpoint
  readonly payloadBytes: number
  readonly connections: number
  /** Requests per second over all connections. */
  readonly rate: number
  /** The part at the beginning that does not count. */
  readonly leadMs: number
  readonly durationMs: number
}

/** The results at a fixed rate. Each request is timed from the moment when it was due. */
export interface OpenLoop {
  readonly rate: number
  /**
   * The share of requests that could not be sent in time. Above 0 the mode is too slow for the rate, and the latencies
   * are too low.
   */
  readonly unsentShare: number
  readonly latencyUs: Latency
  readonly latencyDistributionUs: Distribution
}

/** Sends requests at a fixed rate. Throws unless every sent request was answered correctly. */
export async function runOpenLoop(
  stack: UndoStack,
  pod: Pod,
  load: FixedRateLoad,
  waiting: Waiting,
): Promise<OpenLoop> {
  const { target, payloadBytes, connections, rate } = load
  const address = 'socket' in target ? `unix:${target.socket}` : `${target.host}:${target.port}`
  const numbers = [payloadBytes, connections, rate, load.leadMs + load.durationMs].map(String)
  const command = [loadProgram('open-loop'), address, `/${payloadBytes}`, ...numbers]
  const child = await startInPod(stack, pod, 'the fixed-rate load', command)
  const output = await child.result(waiting, 2 * (load.leadMs + load.durationMs) + 60_000)
  return summarise(output, rate, load.leadMs)
}

/** Summarises the log (in h2load's format) without its first part. */
export function summarise(log: string, rate: number, leadMs: number): OpenLoop {
  const requests = parseRequestLog(log)
  const from = (requests[0]?.startUs ?? 0) + leadMs * 1000
  const counted = requests.filter(({ startUs }) => startUs >= from)
  const unsent = counted.filter(({ status }) => status === 0).length
  return {
    rate,
    unsentShare: unsent / counted.length,
    ...latencyOf(counted.map(({ latencyUs }) => latencyUs)),
  }
}
