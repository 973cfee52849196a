/** `status --cluster`: the status of all nodes of a cluster. */

import type { NodeStatus } from '../../api/status-page.ts'
import { ClusterAgents, type NodeOfAgent } from '../../sources/kubernetes/agents.ts'
import { formatDuration } from '../../lib/duration.ts'
import { messageOf } from '../../lib/errno.ts'
import { isExplained } from '../../lib/errors.ts'
import { type CliEnvironment, environmentOf } from '../environment.ts'
import { durationMs } from '../options.ts'
import { fold, plain } from '../output/plain-text.ts'
import { formatBytes } from '../output/print.ts'
import { showAnswers } from '../output/show.ts'
import { type Column, paint, tableLines, widthOf } from '../output/table.ts'
import type { ClusterArgs } from './cluster-args.ts'

/** A line of the table: the status of a node, or why there is none. */
export interface NodeRow {
  readonly node: string
  /** `namespace/name` of the agent's pod. */
  readonly agent?: string
  readonly status?: NodeStatus
  readonly problem?: string
}

export interface ClusterStatus {
  readonly nodes: readonly NodeRow[]
  /** How many nodes there are, how many agents have answered, and how many of these accelerate. */
  readonly count: {
    readonly nodes: number
    readonly answered: number
    readonly accelerating: number
  }
}

/** The largest number of agents that are asked at a time. Each holds a connection to the API server. */
const atOnce = 16
/** The time limit for both lists together. */
const listMs = 30_000

export async function showCluster(args: ClusterArgs): Promise<void> {
  const environment = environmentOf(args)
  const { kubeconfig, context, selector = '' } = args
  const timeoutMs = durationMs('--timeout', args.timeout, { minMs: 100, maxMs: 600_000 })
  const agents = await ClusterAgents.open({ env: environment.env, kubeconfig, context })
  const ask = async (): Promise<ClusterStatus> =>
    askAll(await agents.nodes(selector, AbortSignal.timeout(listMs)), timeoutMs, (place, signal) =>
      agents.ask(place, '/status', signal),
    )
  await showAnswers(args, ask, {
    table: clusterTable,
    seen: ({ count }) => {
      environment.exitCode = count.nodes > 0 && count.accelerating === count.nodes ? 0 : 1
    },
  })
}

type Ask = (agent: NonNullable<NodeOfAgent['agent']>, signal: AbortSignal) => Promise<unknown>

/** Asks all agents, a few at a time. A node that does not answer within its time holds up no other. */
export async function askAll(
  nodes: readonly NodeOfAgent[],
  timeoutMs: number,
  ask: Ask,
): Promise<ClusterStatus> {
  const rows: NodeRow[] = []
  const left = nodes.entries()
  const work = async (): Promise<void> => {
    for (const [index, place] of left) rows[index] = await rowOf(place, timeoutMs, ask)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, nodes.length) }, work))
  const answered = rows.filter(({ status }) => status !== undefined)
  const accelerating = answered.filter(({ status }) => status?.state === 'accelerating').length
  return { nodes: rows, count: { nodes: rows.length, answered: answered.length, accelerating } }
}

async function rowOf(place: NodeOfAgent, timeoutMs: number, ask: Ask): Promise<NodeRow> {
  const { node, agent, problem } = place
  if (!agent) return { node, problem: problem ?? 'no agent runs there' }
  const name = `${agent.namespace}/${agent.name}`
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), timeoutMs)
  try {
    const status = await ask(agent, late.signal)
    return isStatus(status)
      ? { node, agent: name, status }
      : { node, agent: name, problem: 'its answer makes no sense' }
  } catch (error) {
    const reason = late.signal.aborted
      ? `no answer within ${formatDuration(timeoutMs)}`
      : isExplained(error)
        ? error.message.replace(`${error.operation}: `, '')
        : messageOf(error)
    return { node, agent: name, problem: reason }
  } finally {
    clearTimeout(timer)
  }
}

/** Whether an answer has the parts that the table reads. An agent of another version may have more. */
function isStatus(answer: unknown): answer is NodeStatus {
  if (typeof answer !== 'object' || answer === null) return false
  const parts = new Map(Object.entries(answer))
  return (
    typeof parts.get('state') === 'string' &&
    ['pods', 'connections', 'totals', 'source'].every((name) => isObject(parts.get(name)))
  )
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

const columns: readonly Column[] = [
  { title: 'NODE', flexible: true },
  { title: 'STATE' },
  { title: 'POLICY', spare: 2 },
  { title: 'PODS', right: true },
  { title: 'CONNECTIONS', right: true, spare: 1 },
  { title: 'ENGAGED', right: true },
  { title: 'REDIRECTED', right: true },
  { title: 'TCP', right: true, spare: 3 },
  { title: 'VERSION', spare: 4 },
  { title: 'KERNEL', spare: 5 },
]

/** The table, what it adds up to, and a line for each node that needs somebody. */
export function clusterTable({ nodes, count }: ClusterStatus, environment: CliEnvironment): string {
  if (nodes.length === 0) return 'No nodes.\n'
  const lines = tableLines(columns, nodes.map(cells), environment)
  const width = widthOf(environment)
  const problems = nodes.flatMap(problemOf).flatMap((line) => fold(plain(line), width, '    '))
  const sum = `${count.accelerating} of ${count.nodes} nodes accelerate; ${count.answered} agents answered`
  const colour = count.accelerating === count.nodes ? 'green' : 'yellow'
  return [...lines, '', paint(colour, sum, environment), ...problems]
    .map((line) => `${line}\n`)
    .join('')
}

function cells({ node, status }: NodeRow): string[] {
  if (!status) return [node, 'no answer', ...Array.from({ length: columns.length - 2 }, () => '-')]
  const { state, policy, pods, connections, totals, version, kernel } = status
  return [
    node,
    state,
    policy,
    `${pods.enrolled}/${pods.seen}`,
    String(connections.now),
    String(connections.engaged),
    formatBytes(totals.redirectedBytes),
    formatBytes(totals.tcpBytes),
    version,
    kernel,
  ]
}

function problemOf({ node, agent, status, problem }: NodeRow): string[] {
  if (problem !== undefined) {
    return [`${node}: ${problem}${agent === undefined ? '' : ` (${agent})`}`]
  }
  if (!status) return []
  const { state, refusedBecause, source, held, guardHeld, trial } = status
  return [
    ...(state === 'refused'
      ? [`${node}: refused: ${refusedBecause ?? 'the self-test failed'}`]
      : []),
    ...(state === 'disabled' || state === 'draining'
      ? [`${node}: somebody has drained it; \`meshaccel resume\` there switches it on again`]
      : []),
    ...(source.synced ? [] : [`${node}: it waits for its first pods from ${source.name}`]),
    ...(held > 0
      ? [`${node}: a capture holds ${held === 1 ? 'a pod' : `${held} pods`} on TCP`]
      : []),
    ...(guardHeld > 0
      ? [
          `${node}: the guard holds ${guardHeld === 1 ? 'a namespace' : `${guardHeld} namespaces`} on TCP`,
        ]
      : []),
    ...(trial ? [`${node}: a trial runs`] : []),
  ]
}
