/** A harmful scenario and its checks. adversity.test.ts runs it, and guest.ts in guests. */
import type { AgentProcess } from '../../helpers/agent-process.ts'
import { ready } from '../../helpers/compile.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { aftermath, before } from './aftermath.ts'
import { hidesRedirected, startWatching } from './guest-policy.ts'
import { type Skips, skippingVersion } from './skipping-version.ts'

export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail?: string
}

/** The place of a scenario, and its report. */
export class Scene {
  readonly mesh: Mesh
  readonly checks: Check[] = []
  readonly say: (text: string) => void

  constructor(mesh: Mesh, say: (text: string) => void) {
    this.mesh = mesh
    this.say = say
  }

  readonly check = (name: string, ok: boolean, detail = ''): void => {
    this.checks.push({ name, ok, ...(!ok && detail !== '' && { detail }) })
  }

  async startAgent(...flags: string[]): Promise<AgentProcess> {
    if (ready === undefined) return await this.mesh.startAgent(...flags)
    if (hidesRedirected()) return await startWatching(this, ...flags)
    return await this.mesh.startAgent('--policy', 'strict', ...flags)
  }
}

export interface Scenario {
  /** The promise that the scenario checks. */
  readonly name: string
  readonly pods?: number
  /** Whether the pods are enrolled from the start; by default yes. */
  readonly enabled?: boolean
  /** Whether it changes settings of the whole node. */
  readonly guestOnly?: boolean
  /** The reason why not every run includes it. It can be run by name. */
  readonly byNameOnly?: string
  /** Whether connections with blocking readers join; by default no. */
  readonly blockingReaders?: 'accelerate' | 'leave'
  /** Events to hide from the data path. */
  readonly skips?: Skips
  /** Rejects on an error that makes the rest meaningless. All its processes have ended when it resolves. */
  readonly run: (scene: Scene) => Promise<void>
}

/** Runs a scenario and the checks after it. */
export async function play(
  { pods = 2, enabled = true, blockingReaders = 'leave', skips, run }: Scenario,
  say: (text: string) => void,
): Promise<readonly Check[]> {
  const undo: (() => unknown)[] = []
  const checks: Check[] = []
  try {
    const version = skips && skippingVersion(skips)
    if (version) undo.push(() => version[Symbol.dispose]())
    const begin = before()
    const mesh = await Mesh.make(
      { teardown: (step) => undo.push(step) },
      { pods, enabled, blockingReaders },
    )
    if (version) mesh.cli = version.cli
    const scene = new Scene(mesh, say)
    try {
      await run(scene)
    } finally {
      checks.push(...scene.checks)
    }
    await aftermath(scene, begin)
    checks.splice(0, checks.length, ...scene.checks)
  } catch (error) {
    checks.push({ name: 'it comes to its end', ok: false, detail: describe(error) })
  }
  for (const step of undo.toReversed()) {
    try {
      await step()
    } catch (error) {
      checks.push({ name: 'it can be undone', ok: false, detail: describe(error) })
    }
  }
  return checks
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return (error.stack ?? error.message) + (cause === undefined ? '' : `\n${describe(cause)}`)
}
