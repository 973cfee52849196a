import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchOptions, Mode, Scenario } from '../options.ts'
import type { Mesh } from '../topology/mesh.ts'
import { createNetwork } from '../topology/network.ts'
import type { Pod } from '../topology/pod.ts'
import { createScratchCgroup, type ScratchCgroup } from '../topology/scratch-cgroup.ts'
import { tunePods } from '../topology/sysctls.ts'
import type { Waiting } from '../measure/polling.ts'
import type { UndoStack } from '../system/undo-stack.ts'
import type { Accelerator } from './accelerator.ts'
import { startAgent } from './agent.ts'
import { attachNaive } from './naive.ts'
import type { Sidecars, SidecarSource } from '../proxies/sidecars.ts'
import { twoNodes } from './two-nodes.ts'

/**
 * Pods and a cgroup of their own for the modes of one accelerator. An accelerator starts once and stays, so runs of
 * different modes can follow each other within seconds. It sees only the pods of its lane.
 */
export interface Lane {
  readonly client: Pod
  /** In the scenario `remote` it is on another node. */
  readonly server: Pod
  readonly sidecars: Sidecars
  readonly cgroup: ScratchCgroup
  readonly accelerator: Accelerator
  readonly congestionControl: string
}

type LaneName = 'plain' | Extract<Mode, 'meshaccel' | 'observed' | 'naive'>

const laneOf = (mode: Mode): LaneName =>
  mode === 'meshaccel' || mode === 'observed' || mode === 'naive' ? mode : 'plain'

export interface LaneSetting extends Pick<BenchOptions, 'modes' | 'observations'> {
  readonly runName: string
  readonly directory: string
  readonly mesh: Mesh
  readonly scenario: Scenario
  readonly sidecars: SidecarSource
}

/** Makes the lanes of all modes, until the stack is undone. */
export async function openLanes(
  stack: UndoStack,
  setting: LaneSetting,
  waiting: Waiting,
): Promise<(mode: Mode) => Lane> {
  const lanes = new Map<LaneName, Lane>()
  for (const name of new Set(setting.modes.map(laneOf))) {
    lanes.set(name, await openLane(stack, setting, name, waiting))
  }
  return (mode) => {
    const lane = lanes.get(laneOf(mode))
    if (!lane) throw new Error(`no lane for ${mode}`)
    return lane
  }
}

async function openLane(
  stack: UndoStack,
  setting: LaneSetting,
  name: LaneName,
  waiting: Waiting,
): Promise<Lane> {
  const runName = `${setting.runName}-${name}`
  const cgroup = createScratchCgroup(stack, runName)
  const network = createNetwork(stack, runName)
  const congestionControl = tunePods(stack, Object.values(network))
  const isRemote = setting.scenario === 'remote'
  const client = { ...network.client, cgroup: cgroup.node }
  const server = isRemote
    ? { ...network.remote, cgroup: cgroup.elsewhere }
    : { ...network.server, cgroup: cgroup.node }
  const sidecars = setting.sidecars.of(stack, [client, server])
  const lane = { client, server, sidecars, cgroup, congestionControl }
  return { ...lane, accelerator: await accelerate() }

  async function accelerate(): Promise<Accelerator> {
    if (name === 'plain') return {}
    if (name === 'naive') return attachNaive(stack, cgroup.node)
    const observed = name === 'observed' ? setting.observations : []
    const { mesh } = setting
    // Two lanes have an agent each, with files of its own.
    const directory = join(setting.directory, name)
    mkdirSync(directory, { mode: 0o755 })
    const start = (node: string, watched: string, pods: readonly Pod[]): Promise<Accelerator> => {
      const apart = isRemote ? { client, server } : undefined
      const where = { directory, runName, node, cgroup: watched, mesh, pods, apart }
      return startAgent(stack, { ...where, observed }, waiting)
    }
    if (!isRemote) return start('here', cgroup.node, [client, server])
    const both = [
      start('here', cgroup.node, [client]),
      start('there', cgroup.elsewhere, [server]),
    ] as const
    // Both must have finished starting before the stack is undone.
    await Promise.allSettled(both)
    return twoNodes(await both[0], await both[1])
  }
}
