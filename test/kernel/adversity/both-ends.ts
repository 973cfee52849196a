/** Programs that hold both ends of their connections (programs/both-ends.h), and the checks at the end. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FlowView } from '../../../src/api/views.ts'
import { config } from '../../../src/datapath/maps/generated.ts'
import { messageOf } from '../../../src/lib/errno.ts'
import { BpfMap, u32 } from 'libbpf'
import { type AgentProcess, allRedirected, tally } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import type { Mesh } from '../../helpers/mesh.ts'
import { patience, until } from '../../helpers/retry.ts'
import { ask } from './ask.ts'
import type { Scene } from './scenario.ts'

/** The longest time that a reader may wait over readable bytes, and that all members may take to leave. */
export const READER_MS = 1000
export const LEAVE_MS = 5000
/** The factor for a busy machine. */
const LENIENCE = 5
/** Long enough for two full walks over many connections. */
const TURNS_MS = 30_000

export interface Answer {
  readonly event: string
  readonly value: number
  /** errno of the step that failed, 0 if none did. */
  readonly error: number
  readonly sent: number
  readonly received: number
}

export type Ends = Child<Answer>

/** Converts a promised time to a deadline for a busy machine. */
export function deadline(promisedMs: number): number {
  return promisedMs * LENIENCE * patience
}

/** Whether the condition holds before the deadline of a promised time. */
export async function within(
  promisedMs: number,
  look: () => Promise<boolean> | boolean,
): Promise<boolean> {
  const end = performance.now() + deadline(promisedMs)
  for (;;) {
    if (await look()) return true
    if (performance.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export function takeTurns(ends: Ends, times: number): Promise<Answer> {
  return ask(ends, `turns ${times} ${TURNS_MS * patience}`)
}

/** Makes turns until every direction of all connections is redirected. */
export async function joinAll(agent: AgentProcess, ends: Ends, connections: number): Promise<void> {
  let flows: FlowView[] = []
  await until('all join', async () => {
    await takeTurns(ends, 10)
    flows = await agent.flows()
    return allRedirected(flows, connections)
  }).catch((cause: unknown) => {
    throw new Error(`they do not join: ${tally(flows)}`, { cause })
  })
}

/** Makes turns until all connections have joined, or stay on TCP for a lasting reason. Resolves to the counts. */
export async function joinOrStay(
  agent: AgentProcess,
  ends: Ends,
  lasting: readonly string[],
): Promise<string> {
  let flows: FlowView[] = []
  await within(2000, async () => {
    await takeTurns(ends, 10)
    flows = await agent.flows()
    return flows.every(({ directions }) =>
      directions.every(({ path, reason }) => path === 'redirect' || lasting.includes(reason ?? '')),
    )
  })
  return tally(flows)
}

/** Waits for this many scans of the agent. */
export async function scans(mesh: Mesh, times: number): Promise<void> {
  const [version = ''] = readdirSync(mesh.pinDir).filter((name) => /^[0-9a-f]+$/.test(name))
  using map = BpfMap.fromPin(join(mesh.pinDir, version, 'config'), u32, config)
  const scan = (): number => map.lookup(0)?.scan ?? 0
  const begin = scan()
  await until('the agent scans', () => scan() >= begin + times)
}

/**
 * Checks that every byte arrives and that connections continue. After their pods are disabled, they leave. Then the
 * node drains.
 */
export async function goOnAndLeave(scene: Scene, agent: AgentProcess, ends: Ends): Promise<void> {
  const settled = await ask(ends, `settle ${deadline(READER_MS)}`)
  scene.check('every byte arrives', settled.value === 1, JSON.stringify(settled))
  scene.check(
    'as many bytes as were sent',
    settled.sent === settled.received,
    JSON.stringify(settled),
  )
  const turned = await takeTurns(ends, 10)
  scene.check('the connections go on', turned.value === 1, JSON.stringify(turned))
  for (const pod of scene.mesh.pods) scene.mesh.enable(pod, false)
  let flows: FlowView[] = []
  const begin = performance.now()
  const left = await within(LEAVE_MS, async () => {
    flows = await agent.flows()
    return flows.every(({ state }) => state === 'watched')
  })
  scene.say(`left after ${Math.round(performance.now() - begin)} ms: ${tally(flows)}`)
  scene.check('all members leave once their pods are disabled', left, JSON.stringify(flows, jsonOf))
  scene.check('the node drains while they are live', ...(await drains(agent)))
  const after = await takeTurns(ends, 10)
  scene.check('the connections go on by TCP', after.value === 1, JSON.stringify(after))
}

async function drains(agent: AgentProcess): Promise<[boolean, string]> {
  try {
    await agent.client.call('Drain', { timeoutMs: deadline(LEAVE_MS), force: false })
    return [true, '']
  } catch (error) {
    return [false, messageOf(error)]
  }
}

function jsonOf(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}
