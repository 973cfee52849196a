import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { MeshaccelError } from '../../src/lib/errors.ts'
import { packageRoot } from '../../src/lib/package.ts'
import { Child } from '../system/child.ts'
import { pollUntil, type Waiting } from '../measure/polling.ts'
import { systemCommand } from '../system/system-command.ts'
import type { Observation } from '../options.ts'
import type { Mesh } from '../topology/mesh.ts'
import type { PodNetwork } from '../topology/network.ts'
import type { UndoStack } from '../system/undo-stack.ts'
import type { Accelerator, PathBytes } from './accelerator.ts'
import { agentPrograms } from './program-time.ts'

const START_MS = 120_000
const EVERY_MS = 50
const CLEANUP_TRIES = 3

/** The fields of `meshaccel status -o json` that the bench reads. */
interface Status {
  readonly state: string
  readonly refusedBecause?: string
  readonly pods: { readonly enrolled: number }
  readonly connections: { readonly now: number; readonly engaged: number; readonly plain: number }
  readonly totals: { readonly redirectedBytes: number; readonly tcpBytes: number }
}

/** The fields of `meshaccel flows -o json` that the bench reads. */
export interface Flows {
  readonly flows: readonly {
    readonly client?: { readonly address: string }
    readonly server?: { readonly address: string }
    readonly directions: readonly { readonly path: string; readonly redirectedBytes: number }[]
  }[]
}

export interface AgentSetting {
  readonly directory: string
  readonly runName: string
  /** The node's name. */
  readonly node: string
  readonly cgroup: string
  readonly mesh: Mesh
  /** The pods of this node. */
  readonly pods: readonly PodNetwork[]
  /** Pods on different nodes. A connection between them must never be accelerated. */
  readonly apart: { readonly client: PodNetwork; readonly server: PodNetwork } | undefined
  readonly observed: readonly Observation[]
}

/** Starts the agent through the command line, as a user would. The stack ends it. */
export async function startAgent(
  stack: UndoStack,
  setting: AgentSetting,
  waiting: Waiting,
): Promise<Accelerator> {
  const { directory, cgroup, node, apart, observed } = setting
  const podsFile = join(directory, `pods-${node}.yaml`)
  const socket = join(directory, `agent-${node}.sock`)
  const pin = `/sys/fs/bpf/${setting.runName}-${node}`
  writeFileSync(podsFile, podsYaml(setting.pods, setting.mesh))
  stack.defer('clean up after the agent', () => {
    cleanUp(pin, ['--pin', pin, '--cgroup', cgroup, '--socket', socket])
    rmSync(socket, { force: true })
  })
  const where = ['--cgroup', cgroup, '--pin', pin, '--socket', socket]
  const agent = await Child.start(stack, 'meshaccel agent', [
    ...meshaccel('agent', '--pods', `file:${podsFile}`, ...where, ...flagsFor(observed)),
  ])
  const ask = async (noun: string): Promise<string> => {
    agent.assertRunning()
    const client = await Child.start(stack, `meshaccel ${noun}`, [
      ...meshaccel(noun, '-o', 'json', '--socket', socket),
    ])
    // `status` exits with 1 if nothing is accelerated, but still prints the status.
    const { stdout } = await client.ended
    waiting.signal.throwIfAborted()
    if (stdout !== '') return stdout
    throw new MeshaccelError(client.stderr, { code: 'NO_ANSWER', operation: `ask for ${noun}` })
  }
  const status = async (): Promise<Status> => {
    const answer: Status = JSON.parse(await ask('status'))
    return answer
  }
  const flows = async (): Promise<Flows> => {
    const answer: Flows = JSON.parse(await ask('flows'))
    return answer
  }
  await untilAccelerating(agent, socket, status, setting.pods.length, waiting)
  if (observed.includes('trace')) await startTrace(stack, socket, waiting)
  const programs = agentPrograms(cgroup)
  return {
    ...(programs ? { programs } : {}),
    settled: (atMostMs) => untilSettled(status, atMostMs, waiting.signal),
    bytes: async () => pathBytes(await status()),
    ...(apart ? { check: async () => assertPlain(await flows(), apart) } : {}),
  }
}

/** The flags that a user sets to observe. The collector for slow requests does not exist. */
const flagsFor = (observed: readonly Observation[]): string[] => [
  ...(observed.includes('nothing') ? ['--measure', 'off'] : []),
  ...(observed.includes('measure') ? ['--measure-one-in', '1'] : []),
  ...(observed.includes('otlp') ? ['--otlp', 'http://127.0.0.1:4318'] : []),
]

/** Starts a trace that runs in the background. Resolves once the agent listens. */
async function startTrace(stack: UndoStack, socket: string, waiting: Waiting): Promise<void> {
  const trace = await Child.start(stack, 'meshaccel trace', [
    ...meshaccel('trace', '--socket', socket),
  ])
  await pollUntil(
    () => {
      trace.assertRunning()
      return trace.stderr.includes('tracing') ? true : undefined
    },
    { operation: 'trace the agent', waiting, reason: () => trace.stderr },
  )
}

/** Waits for the socket before it runs `status`, because the start of Node would dominate the wait. */
async function untilAccelerating(
  agent: Child,
  socket: string,
  status: () => Promise<Status>,
  pods: number,
  waiting: Waiting,
): Promise<void> {
  let last = 'it does not listen yet'
  await pollUntil(
    async () => {
      agent.assertRunning()
      if (!existsSync(socket)) return undefined
      const { state, refusedBecause, pods: counts } = await status()
      // A refusal is final, so waiting longer is useless.
      if (state === 'refused') {
        throw new MeshaccelError(refusedBecause ?? 'it is refused', {
          code: 'REFUSED',
          operation: 'accelerate on this machine',
          hint: 'Run `meshaccel doctor`: it says what is missing.',
        })
      }
      last = `${refusedBecause ?? `it is ${state}`}, ${counts.enrolled} pods enrolled`
      return state === 'accelerating' && counts.enrolled === pods ? true : undefined
    },
    {
      operation: 'wait for the agent to accelerate',
      waiting,
      timeoutMs: START_MS,
      reason: () => `${last}. Its last words: ${agent.stderr.split('\n').at(-1) ?? ''}`,
    },
  )
}

/** Waits until some connections are engaged and their number is stable. Short connections may never be engaged. */
async function untilSettled(
  status: () => Promise<Status>,
  atMostMs: number,
  signal: AbortSignal,
): Promise<PathBytes> {
  const end = performance.now() + atMostMs
  let before = -1
  for (;;) {
    const now = await status()
    const { engaged } = now.connections
    if ((engaged > 0 && engaged === before) || performance.now() > end) return pathBytes(now)
    before = engaged
    await delay(EVERY_MS, undefined, { signal })
  }
}

const pathBytes = ({ totals }: Status): PathBytes => ({
  redirected: totals.redirectedBytes,
  tcp: totals.tcpBytes,
})

/** Throws if a connection between the pods uses any path except TCP. */
export function assertPlain(
  { flows }: Flows,
  { client, server }: NonNullable<AgentSetting['apart']>,
): void {
  const joined = flows.filter(
    (flow) =>
      // One end may be unknown on this node. Connections inside a pod have the same address at both ends.
      (flow.server?.address.startsWith(`${server.address}:`) ?? true) &&
      (flow.client?.address.startsWith(`${client.address}:`) ?? true) &&
      flow.directions.some(({ path, redirectedBytes }) => path !== 'tcp' || redirectedBytes > 0),
  )
  if (joined.length === 0) return
  throw new MeshaccelError(`${joined.length} connections were redirected`, {
    code: 'REMOTE_JOINED',
    operation: `keep connections between the ${client.name} and the ${server.name} pod, which are on different nodes, on TCP`,
  })
}

export function podsYaml(pods: readonly PodNetwork[], mesh: Mesh): string {
  const entries = pods.map(
    ({ name, netns }) => `  - namespace: bench
    name: ${name}
    netns: ${netns}
    mesh: ${mesh.name}
    enabled: true
`,
  )
  return `pods:\n${entries.join('')}`
}

const meshaccel = (...args: string[]): string[] => [
  process.execPath,
  join(packageRoot, 'dist/src/cli.js'),
  ...args,
]

/** Works without the event loop, because the process may be ending. On a busy machine a drain may be slow. */
function cleanUp(pin: string, where: readonly string[]): void {
  for (let tries = 1; existsSync(pin); tries += 1) {
    const [command = '', ...args] = meshaccel('cleanup', ...where)
    try {
      systemCommand(command, args)
    } catch (error) {
      if (tries === CLEANUP_TRIES) throw error
    }
    if (tries === CLEANUP_TRIES && existsSync(pin)) throw new Error(`${pin} is still there`)
  }
}
