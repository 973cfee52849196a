import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isExplained, MeshaccelError } from '../src/lib/errors.ts'
import { compare } from './comparisons.ts'
import { describeHost, describeSoftware } from './measure/host.ts'
import { type Figures, measureRequests, measureStream } from './measure/measured-run.ts'
import type { Accelerator } from './modes/accelerator.ts'
import { startAgent } from './modes/agent.ts'
import { attachNaive } from './modes/naive.ts'
import { twoNodes } from './modes/two-nodes.ts'
import { type BenchOptions, type Cell, cellsOf, formatSize, type Mode } from './options.ts'
import { createCertificates } from './proxies/certificates.ts'
import { envoyBinary } from './proxies/envoy-binary.ts'
import { findLinkerd } from './proxies/linkerd/binary.ts'
import { linkerdSidecars } from './proxies/linkerd/sidecars.ts'
import { writePayloads } from './proxies/nginx.ts'
import { envoySidecars, haproxySidecars, type Sidecars } from './proxies/sidecars.ts'
import type { Waiting } from './measure/polling.ts'
import type { Report, Run } from './report.ts'
import { runRounds } from './measure/rounds.ts'
import { APPLICATION_PORT, isMeshed, type Place, startStack } from './stack.ts'
import { meshes } from './topology/mesh.ts'
import { createNetwork } from './topology/network.ts'
import type { Redirect } from './topology/rules/redirect.ts'
import { assertCrossed, ruleSet } from './topology/rules/rule-set.ts'
import type { Pod } from './topology/pod.ts'
import { createScratchCgroup, type ScratchCgroup } from './topology/scratch-cgroup.ts'
import { tunePods } from './topology/sysctls.ts'
import { UndoStack } from './system/undo-stack.ts'

export type BenchEnvironment = Waiting

/** The parts that all runs share. The rules differ from cell to cell. */
interface Shared extends Omit<Place, 'rules'> {
  /** A server on another node. */
  readonly remote: Pod
}

interface Scene {
  readonly runName: string
  readonly place: Shared
  readonly cgroup: ScratchCgroup
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
  using stack = new UndoStack(say)
  // Concurrent runs must not share namespaces, cgroup or pins.
  const runName = `meshbench-${process.pid}`
  const directory = mkdtempSync(join(tmpdir(), `${runName}-`))
  stack.defer(`remove ${directory}`, () => rmSync(directory, { recursive: true, force: true }))
  chmodSync(directory, 0o755)
  const cgroup = createScratchCgroup(stack, runName)
  const network = createNetwork(stack, runName)
  const congestionControl = tunePods(stack, Object.values(network))
  const cells = cellsOf(options)
  writePayloads(directory, options.payloads)
  const mesh = meshes[options.mesh]
  const sidecars = await startSidecars()
  const place: Shared = {
    directory,
    client: { ...network.client, cgroup: cgroup.node },
    server: { ...network.server, cgroup: cgroup.node },
    remote: { ...network.remote, cgroup: cgroup.elsewhere },
    mesh,
    sidecars,
    certificates: options.scenarios.includes('mtls')
      ? createCertificates(directory, ['client', 'server'])
      : new Map(),
  }
  const scene: Scene = { runName, place, cgroup, environment }
  const { runs, repeatedRounds } = await runRounds({
    cells,
    modes: options.modes,
    rounds: options.rounds,
    ...(options.budgetMs === undefined ? {} : { budgetMs: options.budgetMs }),
    say,
    measure: (cell, mode, round) => measure(scene, stack, options, cell, mode, round),
  })
  return {
    startedAt,
    host: describeHost(congestionControl),
    software: describeSoftware(sidecars),
    pace: options.pace,
    proxy: sidecars.software,
    mesh: options.mesh,
    runs,
    comparisons: compare(runs),
    repeatedRounds,
  }

  async function startSidecars(): Promise<Sidecars> {
    if (linkerd) {
      const pods = Object.values(network)
      const applicationPort = APPLICATION_PORT
      return linkerdSidecars(stack, linkerd, { directory, mesh, pods, applicationPort })
    }
    if (proxy === 'haproxy') return haproxySidecars(directory)
    const binary = await envoyBinary(stack, directory, mesh.proxyUid, environment)
    return envoySidecars(directory, binary)
  }
}

/** One run from scratch: first the accelerator, then fresh proxies. So no connection pool of another mode survives. */
async function measure(
  { runName, place: shared, cgroup, environment }: Scene,
  outer: UndoStack,
  { pace, rate, observations }: BenchOptions,
  cell: Cell,
  mode: Mode,
  round: number,
): Promise<Run> {
  const { signal, say } = environment
  using stack = outer.nested()
  const remote = cell.scenario === 'remote'
  const place: Place = {
    ...shared,
    rules: ruleSet(shared.mesh, writtenAs(cell)),
    ...(remote ? { server: shared.remote } : {}),
  }
  const accelerator = await accelerate()
  const target = await startStack(stack, place, cell.scenario, mode, environment)
  const { directory, client } = place
  const setting = {
    stack,
    directory,
    cgroup,
    client,
    target,
    accelerator,
    cell,
    pace,
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
    assertCrossed(place.rules, place.mesh, client, place.server)
    if (cell.scenario === 'mtls') place.sidecars.assertMutual?.(place.server)
  }
  say(`round ${round}: ${describe(cell)}, ${mode}: ${speed(figures)}`)
  return { ...cell, mode, round, ...figures }

  async function accelerate(): Promise<Accelerator> {
    if (mode === 'naive') return attachNaive(stack, cgroup.node)
    if (mode !== 'meshaccel' && mode !== 'observed') return {}
    const observed = mode === 'observed' ? observations : []
    const start = (node: string, watched: string, pods: readonly Pod[]): Promise<Accelerator> => {
      const apart = remote ? place : undefined
      const { directory: files, mesh } = place
      const where = { directory: files, runName, node, cgroup: watched, mesh, pods, apart }
      return startAgent(stack, { ...where, observed }, environment)
    }
    if (!remote) return start('here', cgroup.node, [place.client, place.server])
    const both = [
      start('here', cgroup.node, [place.client]),
      start('there', cgroup.elsewhere, [place.server]),
    ] as const
    // Both must have finished starting before the stack is undone.
    await Promise.allSettled(both)
    return twoNodes(await both[0], await both[1])
  }
}

/** The rules of a cell on this machine. */
function writtenAs({ redirect }: Cell): Redirect {
  if (redirect === 'as injected') throw new Error('it is a cell of a cluster')
  return redirect
}

const describe = ({ scenario, payloadBytes, connections }: Cell): string =>
  `${scenario} ${formatSize(payloadBytes)} x ${connections}`

/** Unbounded redirection takes all TCP memory if a reader is slow. The comparison shows that as a failure. */
const brokenByNaive = (error: unknown): Figures => ({
  errors: 1,
  failure: error instanceof Error ? error.message : String(error),
  stealShare: 0,
})

const speed = ({ qps, gbps, failure }: Figures): string =>
  failure ?? (qps === undefined ? `${gbps?.toFixed(2)} Gbit/s` : `${Math.round(qps)} requests/s`)

function inContext(error: unknown, cell: Cell, mode: Mode, round: number): MeshaccelError {
  const known = isExplained(error) ? error : undefined
  return new MeshaccelError(error instanceof Error ? error.message : String(error), {
    code: known?.code ?? 'MEASUREMENT_FAILED',
    operation: `measure ${describe(cell)} in mode ${mode}, round ${round}`,
    hint: known?.hint,
    cause: error,
  })
}
