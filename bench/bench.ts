import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isExplained, MeshaccelError } from '../src/lib/errors.ts'
import type { Progress } from '../src/lib/progress.ts'
import { askedRatios, compare } from './comparisons.ts'
import { describeHost, describeSoftware } from './measure/host.ts'
import { type Figures, measureRequests, measureStream } from './measure/measured-run.ts'
import type { Waiting } from './measure/polling.ts'
import { endOf, type Rounds, runRounds, tooShort } from './measure/rounds.ts'
import { arePrecise } from './measure/stopping.ts'
import { type Lane, openLanes } from './modes/lane.ts'
import { type BenchOptions, type Cell, cellsOf, describeCell } from './options.ts'
import { beginning, progressOf } from './progress.ts'
import { createCertificates } from './proxies/certificates.ts'
import { envoyBinary } from './proxies/envoy-binary.ts'
import { findLinkerd } from './proxies/linkerd/binary.ts'
import { linkerdSidecars } from './proxies/linkerd/sidecars.ts'
import { writePayloads } from './proxies/nginx.ts'
import { envoySidecars, haproxySidecars, type SidecarSource } from './proxies/sidecars.ts'
import type { Report, Run } from './report.ts'
import { APPLICATION_PORT, isMeshed, type Place, startStack } from './stack.ts'
import { UndoStack } from './system/undo-stack.ts'
import { meshes } from './topology/mesh.ts'
import type { Redirect } from './topology/rules/redirect.ts'
import { assertCrossed, ruleSet } from './topology/rules/rule-set.ts'

export interface BenchEnvironment extends Waiting {
  readonly progress?: Pick<Progress, 'show' | 'done'>
}

/** The end of a run, the removal of the pods and the report take less. Agents and namespaces take the most of it. */
const CLEAN_UP_MS = 5_000

/** The time of the programs hardly varies, and each measurement of it takes as long as a run. */
const ROUNDS_OF_PROGRAM_TIME = 3

/** The parts that all runs share. The pods and the rules differ. */
type Shared = Omit<Place, 'rules' | 'client' | 'server' | 'sidecars'>

interface Scene {
  readonly runName: string
  readonly shared: Shared
  readonly sidecars: SidecarSource
  readonly stack: UndoStack
  readonly environment: BenchEnvironment
}

/** Builds the pods, measures every mode and removes everything again, however it ends. */
export async function runBench(
  options: BenchOptions,
  environment: BenchEnvironment,
): Promise<Report> {
  const { signal } = environment
  try {
    return await inScene(options, environment)
  } catch (error) {
    if (!signal.aborted) throw error
    throw new MeshaccelError('interrupted; what it had set up is gone again', {
      code: 'INTERRUPTED',
      operation: 'run the bench',
      cause: error,
    })
  }
}

async function inScene(options: BenchOptions, environment: BenchEnvironment): Promise<Report> {
  const { say } = environment
  const { proxy } = options
  // Before anything is set up, because only the user can get the binary.
  const linkerd = proxy === 'linkerd' ? findLinkerd(options.proxyBinary) : undefined
  const startedAt = new Date().toISOString()
  const begin = performance.now()
  using stack = new UndoStack(say)
  // Concurrent runs must not share namespaces, cgroup or pins.
  const runName = `meshbench-${process.pid}`
  const directory = mkdtempSync(join(tmpdir(), `${runName}-`))
  stack.defer(`remove ${directory}`, () => rmSync(directory, { recursive: true, force: true }))
  chmodSync(directory, 0o755)
  writePayloads(directory, options.payloads)
  const mesh = meshes[options.mesh]
  const sidecars = await sidecarSource()
  const shared: Shared = {
    directory,
    mesh,
    certificates: options.scenarios.includes('mtls')
      ? createCertificates(directory, ['client', 'server'])
      : new Map(),
  }
  const scene: Scene = { runName, shared, sidecars, stack, environment }
  const parts: Part[] = []
  const groups = scenesOf(cellsOf(options))
  for (const [index, cells] of groups.entries()) {
    const leftMs = begin + measuringMs(options) - performance.now()
    const partMs = leftMs / (groups.length - index)
    parts.push(await measureScene(scene, options, cells, partMs))
  }
  const runs = parts.flatMap((part) => part.runs)
  return {
    startedAt,
    host: describeHost(parts[0]?.congestionControl ?? ''),
    software: describeSoftware(sidecars),
    pace: options.pace,
    proxy: sidecars.software,
    mesh: options.mesh,
    precision: options.precision,
    runs,
    comparisons: compare(runs),
    repeatedRounds: parts.reduce((sum, part) => sum + part.repeatedRounds, 0),
    ended: endOf(parts),
  }

  async function sidecarSource(): Promise<SidecarSource> {
    if (linkerd) {
      const { version } = linkerd
      const setting = { directory, mesh, applicationPort: APPLICATION_PORT }
      return {
        software: 'linkerd2-proxy',
        version,
        of: (its, pods) => linkerdSidecars(its, linkerd, { ...setting, pods }),
      }
    }
    const found =
      proxy === 'haproxy'
        ? haproxySidecars(directory)
        : envoySidecars(directory, await envoyBinary(stack, directory, mesh.proxyUid, environment))
    return { ...found, of: () => found }
  }
}

interface Part extends Rounds {
  readonly congestionControl: string
}

/** Cells that differ in load only. They share pods and agents; those of another scenario find fresh ones. */
function scenesOf(cells: readonly Cell[]): (readonly Cell[])[] {
  const scenes = new Map<string, Cell[]>()
  for (const cell of cells) {
    const name = `${cell.scenario} ${cell.redirect}`
    scenes.set(name, [...(scenes.get(name) ?? []), cell])
  }
  return [...scenes.values()]
}

/** The time for set-up and rounds. The rest of the limit is for the end. */
const measuringMs = ({ timeLimitMs = Infinity }: BenchOptions): number => timeLimitMs - CLEAN_UP_MS

async function measureScene(
  scene: Scene,
  options: BenchOptions,
  cells: readonly Cell[],
  partMs: number,
): Promise<Part> {
  const { runName, shared, sidecars, environment } = scene
  const { progress } = environment
  const deadlineMs = performance.now() + partMs
  const timeUp = Number.isFinite(partMs)
    ? AbortSignal.timeout(Math.max(0, Math.round(partMs)))
    : undefined
  // A machine that is suddenly slow must not stretch a run beyond the limit.
  const signal = timeUp ? AbortSignal.any([environment.signal, timeUp]) : environment.signal
  const bounded = { ...environment, signal }
  const scenario = cells[0]?.scenario ?? 'keepalive'
  const { directory, mesh } = shared
  const { modes, observations } = options
  using stack = scene.stack.nested()
  progress?.show(() => beginning(cells))
  const setting = { modes, observations, runName, directory, mesh, scenario, sidecars }
  const laneOf = await openLanes(stack, setting, bounded).catch((error: unknown): never => {
    throw timeUp?.aborted && !environment.signal.aborted ? tooShort() : error
  })
  const rounds = await runRounds({
    ...options,
    cells,
    deadlineMs,
    ...(timeUp ? { timeUp } : {}),
    isPrecise: (runs, precision) => arePrecise(askedRatios(runs), precision),
    say: environment.say,
    progress: (state) => progress?.show(() => progressOf(state, options.rounds, deadlineMs)),
    measure: (cell, mode, round) =>
      measure({ ...scene, stack, environment: bounded }, options, laneOf(mode), {
        cell,
        mode,
        round,
      }),
  })
  return { ...rounds, congestionControl: laneOf(modes[0] ?? 'iptables').congestionControl }
}

/** One run. Its proxies are fresh: so no connection pool of another run survives. */
async function measure(
  { shared, stack: outer, environment }: Scene,
  { pace, rate }: BenchOptions,
  { client, server, sidecars, cgroup, accelerator }: Lane,
  { cell, mode, round }: Pick<Run, 'mode' | 'round'> & { readonly cell: Cell },
): Promise<Run> {
  const { signal, say } = environment
  using stack = outer.nested()
  const rules = ruleSet(shared.mesh, writtenAs(cell))
  const place: Place = { ...shared, client, server, sidecars, rules }
  const target = await startStack(stack, place, cell.scenario, mode, environment)
  const { directory } = place
  const subject = { stack, directory, cgroup, client, target, accelerator, cell }
  const isTimed = round <= ROUNDS_OF_PROGRAM_TIME
  const setting = {
    ...subject,
    pace: isTimed ? pace : { ...pace, programTimeMs: 0 },
    rate,
    ...environment,
  }
  const figures = await (cell.scenario === 'stream' ? measureStream : measureRequests)(
    setting,
  ).catch((error: unknown): Figures => {
    if (signal.aborted) throw error
    if (mode === 'naive' && cell.scenario === 'stream') return brokenByNaive(error)
    throw inContext(error, cell, mode, round)
  })
  if (isMeshed(mode)) {
    assertCrossed(place.rules, place.mesh, client, server)
    if (cell.scenario === 'mtls') sidecars.assertMutual?.(server)
  }
  const line = `round ${round}: ${describeCell(cell)}, ${mode}: ${speed(figures)}`
  if (environment.progress) environment.progress.done(line)
  else say(line)
  return { ...cell, mode, round, ...figures }
}

/** The rules of a cell on this machine. */
function writtenAs({ redirect }: Cell): Redirect {
  if (redirect === 'as injected') throw new Error('it is a cell of a cluster')
  return redirect
}

/** Unbounded redirection takes all TCP memory if a reader is slow. The comparison shows that as a failure. */
const brokenByNaive = (error: unknown): Figures => ({
  errors: 1,
  failure: error instanceof Error ? error.message : String(error),
  stealShare: 0,
})

const speed = ({ qps, gbps, failure }: Figures): string =>
  failure ?? (qps === undefined ? `${gbps?.toFixed(2)} Gbit/s` : `${Math.round(qps)} requests/s`)

function inContext(error: unknown, cell: Cell, mode: Run['mode'], round: number): MeshaccelError {
  const known = isExplained(error) ? error : undefined
  return new MeshaccelError(error instanceof Error ? error.message : String(error), {
    code: known?.code ?? 'MEASUREMENT_FAILED',
    operation: `measure ${describeCell(cell)} in mode ${mode}, round ${round}`,
    hint: known?.hint,
    cause: error,
  })
}
