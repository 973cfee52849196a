import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { MeshaccelError } from '../../src/lib/errors.ts'
import type { Endpoint } from '../system/endpoint.ts'
import { type Pod, startInPod } from '../topology/pod.ts'
import type { UndoStack } from '../system/undo-stack.ts'
import type { Waiting } from '../measure/polling.ts'
import { type LoggedRequest, parseRequestLog } from './request-log.ts'

export interface HttpLoad {
  readonly target: Endpoint
  readonly payloadBytes: number
  readonly connections: number
  /** Whether each request opens a new connection. */
  readonly close: boolean
  /** About how long a run should take. The number of its requests is a guess from this. */
  readonly expectedMs: number
}

/** h2load's summary. */
export interface H2loadSummary {
  readonly succeeded: number
  readonly ok: number
  readonly bodyBytes: number
}

/**
 * h2load's arguments. They give a number of requests, never a duration: only then the sum of all bodies can be checked
 * exactly.
 */
export function h2loadArguments(load: HttpLoad, requests: number, log: string): string[] {
  const { target } = load
  const authority = 'socket' in target ? 'localhost' : `${target.host}:${target.port}`
  return [
    '--h1',
    `--clients=${load.connections}`,
    `--requests=${requests}`,
    `--log-file=${log}`,
    ...(load.close ? ['--header=Connection: close'] : []),
    ...('socket' in target ? [`--base-uri=unix:${target.socket}`] : []),
    `http://${authority}/${load.payloadBytes}`,
  ]
}

export function parseH2load(output: string): H2loadSummary {
  const number = (pattern: RegExp): number => {
    const value = Number(pattern.exec(output)?.[1])
    if (!Number.isFinite(value)) throw new Error(`h2load says nothing like ${pattern}: ${output}`)
    return value
  }
  return {
    succeeded: number(/^requests: .* (\d+) succeeded/m),
    ok: number(/^status codes: (\d+) 2xx/m),
    bodyBytes: number(/^traffic: .*\((\d+)\) data/m),
  }
}

/** Runs a number of requests and returns the log of each. Throws unless every answer was correct. */
export async function runH2load(
  stack: UndoStack,
  pod: Pod,
  directory: string,
  load: HttpLoad,
  requests: number,
  waiting: Waiting,
): Promise<LoggedRequest[]> {
  const log = join(directory, 'h2load.log')
  rmSync(log, { force: true })
  const command = ['h2load', ...h2loadArguments(load, requests, log)]
  const child = await startInPod(stack, pod, 'h2load', command)
  const summary = parseH2load(await child.result(waiting, 120_000 + 4 * load.expectedMs))
  const logged = parseRequestLog(readFileSync(log, 'utf8'))
  rmSync(log)
  checkAnswers(summary, logged, load, requests)
  return logged
}

/** Throws if an answer is missing, is not 200, or has the wrong length. */
export function checkAnswers(
  summary: H2loadSummary,
  logged: readonly LoggedRequest[],
  load: HttpLoad,
  requests: number,
): void {
  const wrong =
    countOf(requests - summary.succeeded, 'failed') ??
    countOf(requests - summary.ok, 'were answered with another status than 2xx') ??
    countOf(logged.filter(({ status }) => status !== 200).length, 'were not answered with 200') ??
    countOf(requests - logged.length, 'are missing in the log')
  if (wrong !== undefined) throw wrongAnswer(`${wrong} of ${requests} requests`)
  const bytes = requests * load.payloadBytes
  if (summary.bodyBytes !== bytes) {
    throw wrongAnswer(`the bodies have ${summary.bodyBytes} bytes in place of ${bytes}`)
  }
}

const countOf = (count: number, what: string): string | undefined =>
  count === 0 ? undefined : `${count} ${what}`

const wrongAnswer = (reason: string): MeshaccelError =>
  new MeshaccelError(reason, { code: 'WRONG_ANSWER', operation: 'check every answer' })
