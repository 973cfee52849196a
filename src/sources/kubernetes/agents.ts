/** The agents of all nodes of a cluster, for a user who may look at them. */

import type { KubeConfig } from '#kube-config'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { Duplex } from 'node:stream'
import { messageOf } from '../../lib/errno.ts'
import { isExplained, MeshaccelError } from '../../lib/errors.ts'
import { KubeApi } from './client/api.ts'
import { loadKubeConfig } from './client/kube-config.ts'
import { forwardPort, type PodPort } from './client/port-forward.ts'

/** A node that should have an agent. */
export interface NodeOfAgent {
  readonly node: string
  readonly agent?: PodPort
  /** Why its agent cannot answer, or why there is none. */
  readonly problem?: string
}

export interface ClusterChoice {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
}

interface KubeList<Item> {
  readonly metadata?: { readonly continue?: string }
  readonly items: readonly Item[]
}

interface KubeNode {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly status?: { readonly conditions?: readonly KubeCondition[] }
}

interface KubeCondition {
  readonly type: string
  readonly status: string
  readonly message?: string
}

interface AgentPod {
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly deletionTimestamp?: string
  }
  readonly spec: {
    readonly nodeName?: string
    readonly affinity?: unknown
    readonly containers: readonly {
      readonly name: string
      readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[]
    }[]
  }
  readonly status?: {
    readonly phase?: string
    readonly conditions?: readonly KubeCondition[]
    readonly containerStatuses?: readonly {
      readonly name: string
      readonly state?: {
        readonly running?: object
        readonly waiting?: { readonly reason?: string; readonly message?: string }
        readonly terminated?: { readonly reason?: string; readonly exitCode?: number }
      }
    }[]
  }
}

const pageSize = '500'
/** The labels, the container and the port of the chart. */
const agentSelector = 'app.kubernetes.io/name=meshaccel'
const containerName = 'agent'
const portName = 'metrics'
/** The largest answer that an agent gives. */
const largestBytes = 1 << 20

/** The agents of a cluster. */
export class ClusterAgents {
  readonly #api: KubeApi

  constructor(config: KubeConfig) {
    this.#api = new KubeApi(config)
  }

  /** Reads the kubeconfig as kubectl does. Throws BAD_KUBECONFIG. */
  static async open({ env, kubeconfig, context }: ClusterChoice): Promise<ClusterAgents> {
    const chosen = kubeconfig === undefined ? env : { ...env, KUBECONFIG: kubeconfig }
    return new ClusterAgents(await loadKubeConfig(chosen, context))
  }

  /**
   * The nodes that run pods of Linux, by name. The chart's DaemonSet leaves out the others: virtual nodes and those of
   * Windows. `selector` is a label selector for nodes, or empty. Throws the errors of the API.
   */
  async nodes(selector: string, signal: AbortSignal): Promise<NodeOfAgent[]> {
    const [nodes, pods] = await Promise.all([
      this.#list<KubeNode>('nodes', selector, signal),
      this.#list<AgentPod>('pods', agentSelector, signal),
    ])
    const byNode = new Map<string, AgentPod>()
    for (const pod of pods.filter(isAgent)) {
      const node = pod.spec.nodeName ?? nodeOfPending(pod)
      const other = node === undefined ? undefined : byNode.get(node)
      // A pod that is being replaced is still there.
      if (node !== undefined && (!other || other.metadata.deletionTimestamp !== undefined)) {
        byNode.set(node, pod)
      }
    }
    return nodes
      .filter(isReal)
      .map((node) => placeOf(node, byNode.get(node.metadata.name)))
      .toSorted((one, other) => (one.node < other.node ? -1 : 1))
  }

  /** Gets a page of an agent, which is JSON. Throws the errors of the API, FORWARD_FAILED or AGENT_FAILED. */
  async ask(agent: PodPort, path: string, signal: AbortSignal): Promise<unknown> {
    const socket = await forwardPort(this.#api, agent, signal)
    const operation = `ask the agent ${agent.namespace}/${agent.name}`
    const fail = (reason: string, hint?: string, cause?: unknown): MeshaccelError =>
      new MeshaccelError(reason, { code: 'AGENT_FAILED', operation, hint, cause })
    try {
      const sent = request({ path, createConnection: () => socket, signal })
      sent.end()
      const first = await responseOf(sent, socket, signal)
      if (first.statusCode === 404) {
        throw fail(
          'it is older than this command',
          'Use the version of the command that the agent has.',
        )
      }
      if (first.statusCode !== 200) throw fail(`it answers ${first.statusCode}`)
      return JSON.parse(await textOf(first))
    } catch (error) {
      throw isExplained(error) ? error : fail(messageOf(error), undefined, error)
    } finally {
      socket.destroy()
    }
  }

  async #list<Item>(
    kind: 'nodes' | 'pods',
    labelSelector: string,
    signal: AbortSignal,
  ): Promise<Item[]> {
    const items: Item[] = []
    let next: string | undefined
    do {
      const query = {
        limit: pageSize,
        ...(labelSelector === '' ? {} : { labelSelector }),
        ...(next === undefined ? {} : { continue: next }),
      }
      const asked = { operation: `list ${kind}`, path: `/api/v1/${kind}`, query }
      const list = await this.#api
        .call<KubeList<Item>>(asked, signal)
        .catch((error: unknown) => Promise.reject(forUser(error)))
      items.push(...list.items)
      next = list.metadata?.continue || undefined
    } while (next !== undefined)
    return items
  }
}

/** Node does not report the end of a connection that has ended before the request began. */
function responseOf(
  sent: ClientRequest,
  socket: Duplex,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(socket.errored ?? new Error('the connection has ended'))
    sent.once('response', resolve)
    sent.on('error', reject)
    socket.once('close', end)
    signal.addEventListener('abort', end, { once: true })
    if (socket.destroyed || signal.aborted) end()
  })
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    const part: Buffer = chunk
    bytes += part.length
    if (bytes > largestBytes) throw new Error('its answer has no end')
    chunks.push(part)
  }
  return Buffer.concat(chunks).toString()
}

/** The hint of a refusal is about the agent's own rights. Here a user asks. */
function forUser(error: unknown): unknown {
  if (!isExplained(error) || error.code !== 'API_FORBIDDEN') return error
  return new MeshaccelError(error.message.replace(`${error.operation}: `, ''), {
    code: error.code,
    operation: error.operation,
    hint: 'It takes list on nodes and pods, and get and create on pods/portforward: docs/OPERATING.md has a ClusterRole.',
    cause: error,
  })
}

const isAgent = ({ spec }: AgentPod): boolean =>
  spec.containers.some(({ name }) => name === containerName)

/** As the chart's scheduling has it. */
function isReal({ metadata: { labels = {} } }: KubeNode): boolean {
  if ((labels['kubernetes.io/os'] ?? 'linux') !== 'linux') return false
  if (['virtual-kubelet', 'virtual-node', 'kwok'].includes(labels['type'] ?? '')) return false
  return labels['eks.amazonaws.com/compute-type'] !== 'fargate'
}

/** A DaemonSet names the node of a pod that is not scheduled yet in its affinity. */
function nodeOfPending({ spec }: AgentPod): string | undefined {
  const text = JSON.stringify(spec.affinity ?? {})
  return /"key":"metadata\.name","operator":"In","values":\["([^"]+)"\]/.exec(text)?.[1]
}

function placeOf({ metadata: { name: node }, status }: KubeNode, pod?: AgentPod): NodeOfAgent {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  const notReady = ready && ready.status !== 'True' ? 'the node is not ready' : undefined
  if (!pod) return { node, problem: notReady ?? 'no agent runs there' }
  const { namespace, name } = pod.metadata
  const container = pod.spec.containers.find((one) => one.name === containerName)
  const port = container?.ports?.find((one) => one.name === portName)?.containerPort
  const problem =
    problemOf(pod) ??
    notReady ??
    (port === undefined ? 'its pod has no port that is called metrics' : undefined)
  if (problem !== undefined || port === undefined) return { node, problem: problem ?? '' }
  return { node, agent: { namespace, name, port } }
}

/** Why a pod's agent does not run. */
function problemOf({ status }: AgentPod): string | undefined {
  const state = status?.containerStatuses?.find(({ name }) => name === containerName)?.state
  if (state?.running) return undefined
  if (state?.waiting)
    return [state.waiting.reason, state.waiting.message].filter(Boolean).join(': ')
  if (state?.terminated) {
    return `it has ended: ${state.terminated.reason ?? `exit code ${state.terminated.exitCode}`}`
  }
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled')
  if (scheduled?.status === 'False') return `it is not scheduled: ${scheduled.message ?? ''}`
  return `its pod is ${status?.phase ?? 'unknown'}`
}
