import { setTimeout as delay } from 'node:timers/promises'
import { readFileSync } from 'node:fs'
import { MeshaccelError } from '../../src/lib/errors.ts'
import type { Endpoint } from '../system/endpoint.ts'
import { type HttpLoad, runH2load } from '../load/h2load.ts'
import type { Distribution, Latency } from '../load/latency.ts'
import { type LoggedRequest, steadyPart } from '../load/request-log.ts'
import { type OpenLoop, runOpenLoop } from '../load/open-loop.ts'
import { runStream } from '../load/stream.ts'
import type { Accelerator, PathBytes } from '../modes/accelerator.ts'
import { countRunTime, nsPerRun, runTime } from '../modes/program-time.ts'
import type { Cell } from '../options.ts'
import type { Pace } from './pace.ts'
import { parseStat, stealShare } from './steal.ts'
import { cpuUsec, type ScratchCgroup } from '../topology/scratch-cgroup.ts'
import type { Pod } from '../topology/pod.ts'
import type { Waiting } from './polling.ts'
import type { UndoStack } from '../system/undo-stack.ts'

/** The subject of a measurement, and its tools. */
export interface Setting extends Waiting {
  readonly stack: UndoStack
  readonly directory: string
  readonly cgroup: ScratchCgroup
  readonly client: Pod
  readonly target: Endpoint
  readonly accelerator: Accelerator
  readonly cell: Cell
  readonly pace: Pace
  /** Requests per second of an extra run at a fixed rate. */
  readonly rate: number | undefined
}

/** The figures of one run. A stream has `gbps` and no figures about requests. */
export interface Figures {
  readonly qps?: number
  readonly gbps?: number
  readonly latencyUs?: Latency
  readonly latencyDistributionUs?: Distribution
  /** The results of an extra run at a fixed rate. */
  readonly openLoop?: OpenLoop
  /** CPU time per request; for a stream, per write. */
  readonly cpuUsPerRequest?: number
  readonly errors: number
  /** The error that ended the run. Then there are no other figures. */
  readonly failure?: string
  readonly redirectedShare?: number
  readonly verdictNs?: number
  readonly pairingNs?: number
  /** Absent in a user's cluster, where it is unreadable. */
  readonly stealShare?: number
}

/** Readings at the beginning of the measured part. */
interface Start {
  /** Microseconds since the epoch. */
  readonly us: number
  readonly cpuUsec: number
  readonly stat: string
  readonly bytes: PathBytes | undefined
}

/** Sends a number of requests. */
type Load = (requests: number) => Promise<LoggedRequest[]>

const TRIES = 6

/** Measures requests and responses. */
export async function measureRequests(setting: Setting): Promise<Figures> {
  const { accelerator, cell, pace } = setting
  const load: HttpLoad = {
    target: setting.target,
    payloadBytes: cell.payloadBytes,
    connections: cell.connections,
    close: cell.scenario === 'close',
    expectedMs: pace.leadMs + pace.durationMs,
  }
  const run: Load = (requests) =>
    runH2load(setting.stack, setting.client, setting.directory, load, requests, setting)
  const perMs = await requestsPerMs(run, cell.connections, pace.warmUpMs)
  const requestsIn = (ms: number): number => Math.max(cell.connections * 4, Math.round(perMs * ms))

  const [figures, requests] = await longEnough(
    setting,
    run,
    // The speed is a guess. A run that is too short has to be repeated, so it is aimed at some more.
    requestsIn(pace.leadMs + 1.3 * pace.durationMs),
  )
  const openLoop = await atFixedRate(setting)
  await accelerator.check?.()
  const share = pace.programTimeMs / (pace.leadMs + pace.durationMs)
  const again = (): Promise<unknown> =>
    run(Math.max(cell.connections, Math.round(requests * share)))
  return { ...figures, ...openLoop, ...(await programTimes(setting, again)) }
}

/** Measures at a fixed rate. Skips the scenario `close`: its rate is bound by how fast the client can connect. */
async function atFixedRate(setting: Setting): Promise<{ openLoop?: OpenLoop }> {
  const { stack, client, target, cell, pace, rate } = setting
  if (rate === undefined || cell.scenario === 'close') return {}
  const { payloadBytes, connections } = cell
  const { leadMs, durationMs } = pace
  const load = { target, payloadBytes, connections, rate, leadMs, durationMs }
  return { openLoop: await runOpenLoop(stack, client, load, setting) }
}

/** Measures with enough requests that most of the requested time counts. Returns how many that took. */
async function longEnough(
  setting: Setting,
  run: Load,
  firstGuess: number,
): Promise<[Figures, number]> {
  const { leadMs, durationMs } = setting.pace
  let requests = firstGuess
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const running = run(requests)
    // If the load fails, its error must win, even while the lead is awaited.
    const start = await Promise.race([lead(setting), running.then(() => undefined)])
    const logged = await running
    if (start) {
      const ended = logged.filter(({ startUs, latencyUs }) => startUs + latencyUs > start.us)
      const figures = await sinceStart(setting, start, ended.length)
      const { qps, latencyUs, latencyDistributionUs, seconds } = steadyPart(logged, start.us)
      if (seconds * 1000 >= durationMs / 2) {
        return [{ qps, latencyUs, latencyDistributionUs, ...figures }, requests]
      }
    }
    // The machine is faster than it was before.
    const missing = (leadMs + durationMs) / tookMs(logged)
    requests = Math.ceil(requests * Math.max(1.5, 1.2 * missing))
  }
  throw new MeshaccelError(`the speed varies too much: it was over too early ${TRIES} times`, {
    code: 'TOO_SHORT',
    operation: 'measure',
    hint: 'Let the machine do nothing else, or give a longer --duration.',
  })
}

/** Measures a one-way stream from its first byte: nothing may slow a stream down at any time. */
export async function measureStream(setting: Setting): Promise<Figures> {
  const { cell, pace, accelerator } = setting
  const load = (durationMs: number): ReturnType<typeof runStream> =>
    runStream(
      setting.stack,
      setting.client,
      {
        target: setting.target,
        writeBytes: cell.payloadBytes,
        connections: cell.connections,
        durationMs,
      },
      setting,
    )
  await load(pace.warmUpMs)
  const start = readings(setting, await accelerator.bytes?.())
  const { gbps, writes } = await load(pace.durationMs)
  const figures = await sinceStart(setting, start, writes)
  await accelerator.check?.()
  const times = await programTimes(setting, () => load(pace.programTimeMs))
  return { gbps, ...figures, ...times }
}

/** Sends requests until a batch takes `atLeastMs`. This warms up and returns the rate. */
async function requestsPerMs(run: Load, connections: number, atLeastMs: number): Promise<number> {
  for (let requests = connections * 16; ; requests *= 4) {
    const took = tookMs(await run(requests))
    if (took >= atLeastMs) return requests / took
  }
}

/** The time from the first request's start to the last one's end. */
function tookMs(logged: readonly LoggedRequest[]): number {
  const first = logged.reduce((start, { startUs }) => Math.min(start, startUs), Infinity)
  const last = logged.reduce((end, { startUs, latencyUs }) => Math.max(end, startUs + latencyUs), 0)
  return (last - first) / 1000
}

/** Waits until the beginning of a run has passed, in which connections are opened and join. Then takes the readings. */
async function lead(setting: Setting): Promise<Start> {
  const { accelerator, pace, signal } = setting
  const [bytes] = await Promise.all([
    accelerator.settled?.(pace.leadMs),
    delay(pace.leadMs, undefined, { signal }),
  ])
  return readings(setting, bytes)
}

const readings = ({ cgroup }: Setting, bytes: PathBytes | undefined): Start => ({
  us: Date.now() * 1000,
  cpuUsec: cpuUsec(cgroup),
  stat: readFileSync('/proc/stat', 'utf8'),
  bytes,
})

async function sinceStart(
  { accelerator, cgroup }: Setting,
  start: Start,
  requests: number,
): Promise<Omit<Figures, 'qps' | 'gbps'>> {
  const cpu = cpuUsec(cgroup) - start.cpuUsec
  const steal = stealShare(parseStat(start.stat), parseStat(readFileSync('/proc/stat', 'utf8')))
  const end = await accelerator.bytes?.()
  const share = redirectedShare(accelerator, start.bytes, end)
  return {
    cpuUsPerRequest: cpu / requests,
    errors: 0,
    ...(share === undefined ? {} : { redirectedShare: share }),
    stealShare: steal,
  }
}

/** The redirected share. It is 0 if the mode has no programs, and undefined if they do not count bytes. */
function redirectedShare(
  accelerator: Accelerator,
  before: PathBytes | undefined,
  after: PathBytes | undefined,
): number | undefined {
  if (!before || !after) return accelerator.programs ? undefined : 0
  const redirected = after.redirected - before.redirected
  const all = redirected + after.tcp - before.tcp
  return all > 0 ? redirected / all : 0
}

/** Measures in an extra run, because counting the programs' time slows them. */
async function programTimes(
  { accelerator, stack, pace }: Setting,
  run: () => Promise<unknown>,
): Promise<{ verdictNs?: number; pairingNs?: number }> {
  const { programs } = accelerator
  if (!programs || pace.programTimeMs === 0) return {}
  using counting = stack.nested()
  countRunTime(counting)
  const before = [runTime(programs.verdict), runTime(programs.pairing)] as const
  await run()
  const verdictNs = nsPerRun(before[0], runTime(programs.verdict))
  const pairingNs = nsPerRun(before[1], runTime(programs.pairing))
  return {
    ...(verdictNs === undefined ? {} : { verdictNs }),
    ...(pairingNs === undefined ? {} : { pairingNs }),
  }
}
