/** Opens the data path, or removes what is left of one: who holds the lock on the pins may. */

import { existsSync, statSync } from 'node:fs'
import { MeshaccelError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Datapath, Policy } from './datapath.ts'
import { KernelDatapath, type KernelDatapathOptions } from './kernel.ts'
import type { ConfigRecord } from './layout.ts'
import {
  currentPins,
  install,
  lockPins,
  Pins,
  pinnedVersions,
  Programs,
  removePinDirectory,
  removePins,
} from './programs.ts'
import { RefusedDatapath } from './refused.ts'
import { drainAll, initialConfig, readConfig } from './scans.ts'
import type { SelfTestResult } from './selftest/policy.ts'
import { selfTest } from './selftest/self-test.ts'

/** How long another version's connections may take to leave. */
const VERSION_CHANGE_TIMEOUT_MS = 10_000

/** Loads, attaches and pins, or adopts the pins of an earlier agent; nothing of it where the self-test refuses. */
export async function openKernelDatapath(options: KernelDatapathOptions): Promise<Datapath> {
  const { pinDir, cgroupPath, log } = options
  const lock = lockPins(pinDir)
  const giveUp = (): void => {
    lock[Symbol.dispose]()
    removePinDirectory(pinDir)
  }
  try {
    await replaceOthers(pinDir, log)
    const current = currentPins(pinDir)
    const cgroupId = BigInt(statSync(cgroupPath).ino)
    const adopts = pinnedVersions(pinDir).includes(current)
    let policy: Policy | undefined
    if (!adopts) {
      const tested = await testedPolicy(options)
      if (tested.policy === 'refused') {
        return new RefusedDatapath(tested.refusedBecause ?? 'the self-test failed', giveUp)
      }
      policy = tested.policy
      const { capBytes } = options
      install(pinDir, cgroupPath, (config) => config.update(0, initialConfig(cgroupId, capBytes)))
    }
    const programs = new Programs(current)
    try {
      const found = readConfig(programs)
      if (found.cgroup_id !== cgroupId) {
        throw new MeshaccelError(`its pins are attached to another cgroup than ${cgroupPath}`, {
          code: 'OTHER_CGROUP',
          operation: `adopt ${current}`,
          hint: 'Run `meshaccel cleanup` first, or name the same --cgroup.',
        })
      }
      // Pins do not outlive the kernel that they were tested on, nor change their object.
      policy ??= options.policy === 'auto' ? policyOf(found) : options.policy
      log.info({ pins: current, cgroup: cgroupPath }, adopts ? 'adopted' : 'attached')
      return new KernelDatapath(programs, policy, lock, options)
    } catch (error) {
      programs[Symbol.dispose]()
      throw error
    }
  } catch (error) {
    giveUp()
    throw error
  }
}

/** What the self-test allows, or what was asked for. */
async function testedPolicy({
  policy,
  pinDir,
  cgroupPath,
  log,
}: KernelDatapathOptions): Promise<Pick<SelfTestResult, 'policy' | 'refusedBecause'>> {
  if (policy !== 'auto') return { policy }
  const result = await selfTest({ cgroupPath, pinDir })
  const failed = result.probes.flatMap(({ name, ok }) => (ok ? [] : [name]))
  log.info({ policy: result.policy, failed }, 'self-test')
  return result
}

/** The policy that the settings of running pins stand for. */
const policyOf = (config: ConfigRecord): Policy =>
  config.proxies_only ? 'proxies-only' : config.stop_when_stale ? 'full' : 'strict'

/** Another version's data path is emptied before ours takes its place: its connections run on TCP meanwhile. */
async function replaceOthers(pinDir: string, log: Log): Promise<void> {
  const current = currentPins(pinDir)
  for (const other of pinnedVersions(pinDir).filter((directory) => directory !== current)) {
    log.info({ pins: other }, 'draining the data path of another version')
    await drainAndRemove(other, VERSION_CHANGE_TIMEOUT_MS)
  }
}

/** Leads the members of a pinned version back to TCP, then removes it from the kernel. */
async function drainAndRemove(directory: string, timeoutMs: number): Promise<void> {
  using pins = new Pins(directory)
  await drainAll(pins, new Map(), timeoutMs)
  removePins(directory)
}

/** Drains what is pinned, without an agent; the pins stay. Resolves to whether it was drained before. */
export async function drainKernelDatapath(options: {
  readonly pinDir: string
  readonly timeoutMs: number
}): Promise<boolean> {
  return withPins(
    options.pinDir,
    async (directories) => {
      let already = true
      for (const directory of directories) {
        using pins = new Pins(directory)
        if (!(await drainAll(pins, new Map(), options.timeoutMs))) already = false
      }
      return already
    },
    true,
  )
}

/** Drains, detaches and unpins what is there, without an agent. Idempotent. */
export async function cleanupKernelDatapath(options: {
  readonly pinDir: string
  readonly timeoutMs: number
}): Promise<void> {
  await withPins(
    options.pinDir,
    async (directories) => {
      for (const directory of directories) await drainAndRemove(directory, options.timeoutMs)
      removePinDirectory(options.pinDir)
    },
    undefined,
  )
}

/** Works on the pinned versions while no agent does; where nothing is pinned, the result is `none`. */
async function withPins<T>(
  pinDir: string,
  work: (directories: string[]) => Promise<T>,
  none: T,
): Promise<T> {
  if (!existsSync(pinDir)) return none
  const lock = lockPins(pinDir)
  try {
    return await work(pinnedVersions(pinDir))
  } finally {
    lock[Symbol.dispose]()
  }
}
