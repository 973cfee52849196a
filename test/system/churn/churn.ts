import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pod } from '../../../src/datapath/maps/generated.ts'
import { BpfMap, u64 } from 'libbpf'
import { AgentProcess, cli } from '../../helpers/agent-process.ts'
import { node as nodeName } from '../../helpers/kube-objects.ts'
import { until } from '../../helpers/retry.ts'
import { Random } from '../soak/random.ts'
import { ChurnedNode, type NodeOptions } from './churned-node.ts'
import { injectFaults } from './faults.ts'
import { ProcessCost } from './process-cost.ts'

export interface ChurnOptions extends NodeOptions {
  /** Pods that are replaced in a second. */
  readonly rate: number
  /** The duration of each phase. */
  readonly seconds: number
  readonly seed: number
  /** For the agent's Node, such as --cpu-prof. */
  readonly nodeOptions?: readonly string[]
}

export interface Phase {
  readonly seconds: number
  readonly replaced: number
  readonly replacedPerSecond: number
  /** Changes of pods and namespaces that the API server told the agent. */
  readonly events: number
  readonly agentCpuPercent: number
  readonly agentRssMiB: number
}

export interface ChurnReport {
  /** From the start of the process, including the self-test, to the first full sync. */
  readonly startedAfterMs: number
  readonly phases: Readonly<Record<'idle' | 'churn' | 'churn with faults' | 'idle again', Phase>>
  readonly faults: readonly string[]
  readonly agentPeakRssMiB: number
  /** From the end of the churn and of the faults until the maps were correct. */
  readonly convergedAfterMs: number
  readonly enrolled: number
  /** Each pod has one, and most are older than the pod's enrolment. */
  readonly connections: number
  /** Without faults, for pods that the CNI plugin does not announce: from the moment when their address was known. */
  readonly enrolledAfterMs: Spread
  /** Without faults, for pods that the plugin announces. */
  readonly plugin: {
    readonly enrolled: number
    /** From the moment when their first process could start: when the plugin had ended. */
    readonly enrolledByThen: number
    /** The plugin's duration at ADD, also under faults. */
    readonly addMs: Spread
  }
}

interface Spread {
  readonly count: number
  readonly median: number
  readonly p99: number
  readonly longest: number
}

/** Pods come and go, first without and then with faults of the API server. Rejects unless the maps converge. */
export async function churn(
  options: ChurnOptions,
  say: (text: string) => void,
): Promise<ChurnReport> {
  await using node = await ChurnedNode.create(options)
  const { api } = node
  const random = new Random(options.seed)
  const began = performance.now()
  await using agent = await startAgent(node, options.nodeOptions)
  const startedAfterMs = performance.now() - began
  const cost = new ProcessCost(agent.pid)

  const phase = async (name: string, work: () => Promise<number>): Promise<Phase> => {
    const [toldBefore, begin] = [api.told, performance.now()]
    cost.begin()
    const replaced = await work()
    const { cpuPercent, highestRssMiB } = cost.end()
    const seconds = (performance.now() - begin) / 1000
    const result = {
      seconds,
      replaced,
      replacedPerSecond: replaced / seconds,
      events: api.told - toldBefore,
      agentCpuPercent: cpuPercent,
      agentRssMiB: highestRssMiB,
    }
    say(`${name}: ${JSON.stringify(result)}`)
    return result
  }
  const { rate, pods, seconds } = options
  const replacing = (): Promise<number> => replacePods(node, { rate, pods, seconds })
  const resting = async (): Promise<number> => {
    await sleep(seconds * 1000)
    return 0
  }

  // The work of the start is over, such as the first pass over older connections.
  await seenConnections(node, agent)
  const idle = await phase('idle', resting)
  const loggedBefore = agent.log.length
  const churned = await phase('churn', replacing)
  const logged = agent.log.slice(loggedBefore)
  let faults: string[] = []
  const faulty = await phase('churn with faults', async () => {
    const over = new AbortController()
    const everyMs = Math.min(2_000, (seconds * 1000) / 10)
    const injecting = injectFaults(api, random, everyMs, over.signal)
    const toggling = toggleNamespaces(node, random, over.signal)
    const replaced = await replacing()
    over.abort()
    faults = await injecting
    await toggling
    return replaced
  })

  const over = performance.now()
  await agree(node).catch((cause: unknown) => {
    throw new Error(`the agent's last words:\n${agent.log.slice(-4_000)}`, { cause })
  })
  const convergedAfterMs = performance.now() - over
  const enrolled = node.desired().size
  const connections = await seenConnections(node, agent)
  const again = await phase('idle again', resting)
  const late = enrolmentDelays(logged, node.addedAt)
  const report = {
    startedAfterMs,
    phases: { idle, churn: churned, 'churn with faults': faulty, 'idle again': again },
    faults,
    agentPeakRssMiB: cost.peakRssMiB(),
    convergedAfterMs,
    enrolled,
    connections,
    enrolledAfterMs: spread(enrolmentDelays(logged, node.knownAt)),
    plugin: {
      enrolled: late.length,
      enrolledByThen: late.filter((ms) => ms <= 0).length,
      addMs: spread(node.addMs),
    },
  }
  // Ends in order, so that the agent's Node writes its reports.
  await agent.kill('SIGTERM')
  return report
}

/** Starts an agent on the node; resolves once it is in step. */
export async function startAgent(
  node: ChurnedNode,
  nodeOptions: readonly string[] = [],
): Promise<AgentProcess> {
  // Runs as its first line says.
  const shipped = /^#!\S+ -S node (.*)$/m.exec(readFileSync(cli, 'utf8'))?.[1] ?? ''
  const flags = ['--node', nodeName, '--cri', node.runtime.socket]
  const environment = { KUBECONFIG: node.kubeconfig }
  const agent = new AgentProcess(node, flags, {
    environment,
    nodeOptions: [...shipped.split(' '), ...nodeOptions],
  })
  try {
    await agent.runs()
    await until('the first sync', () => agent.log.includes('"in step with its pods"'))
    const { refusedBecause } = await agent.status()
    if (refusedBecause !== undefined) throw new Error(`the self-test says: ${refusedBecause}`)
    return agent
  } catch (error) {
    await agent[Symbol.asyncDispose]()
    throw error
  }
}

/** Resolves to how many were replaced. */
async function replacePods(
  node: ChurnedNode,
  { rate, pods, seconds }: Pick<ChurnOptions, 'rate' | 'pods' | 'seconds'>,
): Promise<number> {
  /** By slot: the next one comes after the last one. */
  const underWay = new Map<number, Promise<void>>()
  const end = performance.now() + seconds * 1000
  let replaced = 0
  for (let due = performance.now(); due < end; due += 1000 / rate) {
    await sleep(Math.max(0, due - performance.now()))
    const slot = replaced++ % pods
    await underWay.get(slot)
    const one = node.replace(slot)
    // Errors are reported below.
    void one.catch(() => undefined)
    underWay.set(slot, one)
  }
  await Promise.all(underWay.values())
  return replaced
}

/** Users who change their mind. */
async function toggleNamespaces(
  node: ChurnedNode,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(500, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    node.toggle(random.integer(0, node.usedNamespaces - 1), random.chance(0.5))
  }
}

/** Waits until the map of enrolled pods is correct. */
export async function agree(node: ChurnedNode): Promise<void> {
  const [version] = readdirSync(node.pinDir)
  using map = BpfMap.fromPin(join(node.pinDir, version ?? '', 'pods'), u64, pod)
  const actual = (): string =>
    inOrder([...map.entries()].map(([cookie, { proxyUid: uid }]) => [cookie, uid]))
  const desired = inOrder([...node.desired()])
  await until('the maps are what they should be', () => actual() === desired, {
    pauseMs: 20,
    attempts: 3_000,
  }).catch((cause: unknown) => {
    throw new Error(`the maps hold\n${actual()}\nand should hold\n${desired}`, { cause })
  })
}

function inOrder(pods: readonly (readonly [cookie: bigint, uid: number])[]): string {
  return pods
    .map(([cookie, uid]) => `${cookie}: ${uid}`)
    .toSorted()
    .join(', ')
}

/** Waits until both ends of each enrolled pod's connection are watched. */
async function seenConnections(node: ChurnedNode, agent: AgentProcess): Promise<number> {
  const pods = node.enrolledPods()
  let seen = 0
  await until('every connection is seen', async () => {
    const whole = (await agent.flows()).filter(({ client, server }) => client && server)
    seen = new Set(whole.map(({ client }) => client?.pod ?? '').filter((key) => pods.has(key))).size
    return seen === pods.size
  }).catch((cause: unknown) => {
    throw new Error(`${seen} of ${pods.size} connections are seen`, { cause })
  })
  return seen
}

/** From what the agent has logged: how long after the moment each pod was enrolled. */
function enrolmentDelays(log: string, moments: ReadonlyMap<string, number>): number[] {
  return log.split('\n').flatMap((line) => {
    if (!line.endsWith('"msg":"enrolled"}')) return []
    const said: { time: string; pod: string } = JSON.parse(line)
    const moment = moments.get(said.pod)
    return moment === undefined ? [] : [Date.parse(said.time) - moment]
  })
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other)
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
  return { count: sorted.length, median: at(0.5), p99: at(0.99), longest: at(1) }
}
