import { randomBytes } from 'node:crypto'
import type { KubeConfig, V1Node, V1Pod } from '@kubernetes/client-node'
import { MeshaccelError } from '../../src/lib/errors.ts'
import type { BenchEnvironment } from '../bench.ts'
import { askedRatios, compare } from '../comparisons.ts'
import type { Host } from '../measure/host.ts'
import type { Cell, Mode } from '../options.ts'
import type { Report, Run } from '../report.ts'
import { runRounds } from '../measure/rounds.ts'
import { arePrecise, type Effort } from '../measure/stopping.ts'
import { progressOf } from '../progress.ts'
import type { MeshName } from '../topology/mesh.ts'
import { Cluster } from './cluster.ts'
import { parseFortio } from './fortio.ts'
import { type Arm, CONTAINER, loadPod, PART_OF, serverPod } from './manifests.ts'

export interface KubernetesOptions extends Effort {
  readonly mesh: MeshName
  /** Istio's revision, if namespaces are injected by revision. */
  readonly revision?: string
  /** An image with fortio, for server and load. */
  readonly image: string
  /** The node to measure on; by default the scheduler's choice. */
  readonly node?: string
  readonly connections: readonly number[]
  readonly payloads: readonly number[]
  readonly durationSeconds: number
}

/** The deletion of two namespaces waits for their pods to end. */
const CLEAN_UP_MS = 15_000

type ArmMode = Extract<Mode, 'iptables' | 'meshaccel'>

/**
 * Creates two namespaces in the user's mesh, one enabled and one not, and compares them. All pods are on one node. Both
 * namespaces are deleted at the end, however it ends.
 */
export async function runKubernetesBench(
  config: KubeConfig,
  options: KubernetesOptions,
  environment: BenchEnvironment,
): Promise<Report> {
  const { signal, say } = environment
  const cluster = new Cluster(config, environment)
  const id = randomBytes(3).toString('hex')
  const arms: Readonly<Record<ArmMode, Arm>> = {
    iptables: { namespace: `meshaccel-bench-${id}-plain`, accelerated: false },
    meshaccel: { namespace: `meshaccel-bench-${id}-fast`, accelerated: true },
  }
  try {
    return await inNamespaces(cluster, arms, options, environment)
  } catch (error) {
    if (!signal.aborted) throw error
    throw new MeshaccelError('interrupted; its namespaces are deleted', {
      code: 'INTERRUPTED',
      operation: 'run the bench in the cluster',
      cause: error,
    })
  } finally {
    await removeAll(cluster, say)
  }
}

async function inNamespaces(
  cluster: Cluster,
  arms: Readonly<Record<ArmMode, Arm>>,
  options: KubernetesOptions,
  { say, progress }: BenchEnvironment,
): Promise<Report> {
  const { mesh, image, revision, timeLimitMs = Infinity } = options
  const deadlineMs = performance.now() + timeLimitMs - CLEAN_UP_MS
  const startedAt = new Date().toISOString()
  let node = options.node
  let server: V1Pod = {}
  for (const arm of Object.values(arms)) {
    say(`starting a server in ${arm.namespace}`)
    await cluster.createArm(arm, mesh, revision)
    server = await cluster.startServer(arm.namespace, serverPod({ arm, mesh, image, node }))
    node ??= server.spec?.nodeName
  }
  if (node === undefined) throw new Error('a pod is ready but on no node')
  if ((await cluster.hasAgent(node)) === false) {
    say(`no agent of meshaccel runs on ${node}: there will be no difference`)
  }
  let version = 'unknown'
  let count = 0
  const measure = async (cell: Cell, mode: Mode, round: number): Promise<Run> => {
    const arm = mode === 'meshaccel' ? arms.meshaccel : arms.iptables
    const { payloadBytes, connections } = cell
    const { durationSeconds } = options
    count += 1
    const load = { name: `load-${count}`, payloadBytes, connections, durationSeconds }
    const log = await cluster.runLoad(arm.namespace, loadPod({ arm, mesh, image, node }, load))
    const { version: said, ...figures } = parseFortio(log)
    version = said
    const line = `round ${round}: ${payloadBytes} B x ${connections}, ${mode}: ${Math.round(figures.qps)} requests/s`
    if (progress) progress.done(line)
    else say(line)
    return { ...cell, mode, round, ...figures, errors: 0 }
  }
  const { runs, repeatedRounds, ended } = await runRounds({
    ...options,
    cells: cellsOf(options),
    modes: ['iptables', 'meshaccel'],
    deadlineMs,
    isPrecise: (some, precision) => arePrecise(askedRatios(some), precision),
    say,
    progress: (state) => progress?.show(() => progressOf(state, options.rounds, deadlineMs)),
    measure,
  })
  const described = await cluster.node(node)
  return {
    startedAt,
    host: hostOf(described),
    software: {
      kubernetes: described.status?.nodeInfo?.kubeletVersion ?? 'unknown',
      fortio: version,
      image:
        server.status?.containerStatuses?.find(({ name }) => name === CONTAINER)?.imageID ?? image,
    },
    pace: { warmUpMs: 0, leadMs: 0, durationMs: options.durationSeconds * 1000, programTimeMs: 0 },
    proxy: mesh === 'istio' ? 'envoy' : 'linkerd2-proxy',
    mesh,
    kubernetes: { node },
    runs,
    comparisons: compare(runs),
    repeatedRounds,
    precision: options.precision,
    ended,
  }
}

const cellsOf = ({ payloads, connections }: KubernetesOptions): Cell[] =>
  payloads.flatMap((payloadBytes) =>
    connections.map((count) => ({
      scenario: 'keepalive' as const,
      payloadBytes,
      connections: count,
      redirect: 'as injected' as const,
    })),
  )

function hostOf({ status }: V1Node): Host {
  const {
    kernelVersion = 'unknown',
    osImage = 'unknown',
    architecture = 'unknown',
  } = status?.nodeInfo ?? {}
  const memory = /^(\d+)Ki$/.exec(status?.capacity?.['memory'] ?? '')?.[1]
  return {
    kernel: kernelVersion,
    cpus: Number(status?.capacity?.['cpu'] ?? 0),
    congestionControl: 'its own TCP',
    cpuModel: architecture,
    memoryBytes: Number(memory ?? 0) * 1024,
    os: osImage,
  }
}

/** Deletes all its namespaces, even if one deletion fails. */
async function removeAll(cluster: Cluster, say: (text: string) => void): Promise<void> {
  const names = [...cluster.namespaces]
  if (names.length > 0) say(`deleting ${names.join(' and ')}`)
  const ends = await Promise.allSettled(names.map((name) => cluster.deleteNamespace(name)))
  for (const end of ends) {
    if (end.status === 'rejected') {
      say(`${String(end.reason)}; delete by hand: kubectl delete namespace -l ${PART_OF}`)
    }
  }
}
