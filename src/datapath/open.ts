/** Opens the data path, or removes what is left of one. The caller must hold the lock on the pins. */

import { existsSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { isExplained, MeshaccelError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Datapath, DrainOptions, Policy } from './datapath.ts'
import { flowPieces, parseFlows } from './loop/flow-table.ts'
import { describeStalledReaders } from './loop/stalled-readers.ts'
import { KernelDatapath, type KernelDatapathOptions } from './kernel-datapath.ts'
import type { ConfigRecord } from './maps/generated.ts'
import { Walks } from './netns/walks.ts'
import { drainLeaving, LeavingVersions } from './leaving-versions.ts'
import {
  assertOurs,
  completePartial,
  isLeaving,
  lockPins,
  pinnedVersions,
  removeEmpty,
  removeDeadSelfTests,
  removePartial,
  removeVersion,
  setAside,
} from './pins/pin-directory.ts'
import { openPins } from './pins/open-pins.ts'
import { currentPins, install, isComplete, Pins, Programs } from './pins/programs.ts'
import { RefusedDatapath } from './refused.ts'
import {
  DRAIN_TIMEOUT,
  drainAll,
  HIDES_REDIRECTED,
  HIDES_TCP,
  initialConfig,
  readConfig,
  Scans,
} from './loop/scans.ts'
import { isWatched, judge, type SelfTestResult } from './selftest/policy.ts'
import { probeBits, probesIn, probesOf } from './selftest/probe-bits.ts'
import { selfTest } from './selftest/self-test.ts'
import { RetryingDatapath } from './retrying.ts'

/** How long the connections of another version may take to leave. */
const VERSION_CHANGE_TIMEOUT_MS = 10_000

/**
 * Loads, attaches and pins the data path, or adopts the pins of an earlier agent. Attaches nothing if the self-test
 * refuses. Another version's pins stay until ours are attached, so that an earlier failure leaves them unchanged.
 */
export async function openKernelDatapath(options: KernelDatapathOptions): Promise<Datapath> {
  const { pinDir, log } = options
  const lock = lockPins(pinDir)
  const giveUp = (): void => {
    try {
      removePartial(pinDir)
      removeEmpty(pinDir)
    } finally {
      lock[Symbol.dispose]()
    }
  }
  try {
    const { tested, leaving } = await putInPlace(options)
    if (tested?.policy !== 'refused') return adopt(tested, { lock, leaving }, options)
    // Connections of another version may still have to leave.
    let others = drainLeaving(pinDir, log)
    const release = (): void => {
      others[Symbol.dispose]()
      giveUp()
    }
    const refused = refusedDatapath(tested, release)
    if (!tested.undecided) return refused
    const open = async (signal: AbortSignal): Promise<Datapath | undefined> => {
      others[Symbol.dispose]()
      let opened: Datapath | undefined
      try {
        const again = await putInPlace(options, signal)
        if (again.tested?.policy !== 'refused') {
          opened = adopt(again.tested, { lock, leaving: again.leaving }, options)
          return opened
        }
        return again.tested.undecided ? undefined : refusedDatapath(again.tested, release)
      } finally {
        if (!opened && !signal.aborted) others = drainLeaving(pinDir, log)
      }
    }
    return new RetryingDatapath({ refused, open, log })
  } catch (error) {
    giveUp()
    throw error
  }
}

const refusedDatapath = (
  { refusedBecause = 'the self-test failed', probes }: SelfTestResult,
  release: () => void,
): Datapath => new RefusedDatapath(refusedBecause, probesOf(probeBits(probes)), release)

/**
 * Opens the current pins. `tested` is set if they are new. `leaving` are other pinned versions that are still draining.
 */
function adopt(
  tested: SelfTestResult | undefined,
  { lock, leaving }: { readonly lock: Disposable; readonly leaving: readonly string[] },
  options: KernelDatapathOptions,
): Datapath {
  const { cgroupPath, log } = options
  const current = currentPins(options.pinDir)
  const programs = new Programs(current)
  try {
    const found = readConfig(programs)
    if (found.cgroupId !== cgroupIdOf(cgroupPath)) {
      throw new MeshaccelError(`its pins are attached to another cgroup than ${cgroupPath}`, {
        code: 'OTHER_CGROUP',
        operation: `adopt ${current}`,
        hint: 'Run `meshaccel cleanup` first, or name the same --cgroup.',
      })
    }
    // The policy still holds: pins do not outlive the kernel that they were tested on, and their object does not
    // change.
    const policy = tested?.policy ?? (options.policy === 'auto' ? policyOf(found) : options.policy)
    log.info({ pins: current, cgroup: cgroupPath }, tested ? 'attached' : 'adopted')
    if (!found.redirect) log.warn('drained before: `meshaccel resume` starts again')
    const walks = new Walks({ log })
    const others = new LeavingVersions(leaving, walks, log)
    return new KernelDatapath(programs, policy, { lock, others, walks }, options)
  } catch (error) {
    programs[Symbol.dispose]()
    throw error
  }
}

const cgroupIdOf = (cgroupPath: string): bigint => BigInt(statSync(cgroupPath).ino)

/**
 * Ensures that only the current version is pinned, apart from versions that are still draining (`leaving`). Pins
 * nothing if the self-test refuses. Resolves to the result of the self-test, or to undefined if the current version was
 * already pinned.
 */
async function putInPlace(
  options: KernelDatapathOptions,
  signal?: AbortSignal,
): Promise<{ tested: SelfTestResult | undefined; leaving: string[] }> {
  const { pinDir, cgroupPath, btf, capBytes, log } = options
  const current = currentPins(pinDir)
  const cgroupId = cgroupIdOf(cgroupPath)
  removeDeadSelfTests(pinDir)
  removePartial(pinDir)
  const adopts = isComplete(current)
  if (!adopts && existsSync(current)) {
    await drainAndRemove(current, { timeoutMs: VERSION_CHANGE_TIMEOUT_MS })
  }
  const others = pinnedVersions(pinDir).filter((version) => version !== current)
  const tested = adopts ? undefined : await testedPolicy(options, signal)
  signal?.throwIfAborted()
  const attaches = tested && tested.policy !== 'refused'
  if (attaches) {
    install({ pinDir, cgroupPath, btf }, (config) =>
      config.update(0, {
        ...initialConfig(cgroupId, capBytes),
        ...probeBits(tested.probes),
        fionreadHides: watchedFlaws(tested),
      }),
    )
  }
  const leaving: string[] = []
  const drained: string[] = []
  for (const other of others) {
    if (isLeaving(other) && wasGivenUp(other)) {
      leaving.push(other)
      continue
    }
    log.info({ pins: other }, 'draining the data path of another version')
    assertOurs(other)
    openPins(other)?.[Symbol.dispose]()
    // If this agent is killed from here on, the next one must not take the drain for one that a user asked for.
    const aside = isLeaving(other) ? other : setAside(other)
    if (await drainsInTime(aside, log)) drained.push(aside)
    else leaving.push(aside)
  }
  if (attaches) completePartial(pinDir, current)
  for (const other of drained) removeVersion(other)
  return { tested, leaving }
}

/** Whether an agent has given up waiting for the readers of a version. Otherwise it was killed while it drained or removed it. */
function wasGivenUp(version: string): boolean {
  using pins = openPins(version)
  return pins !== undefined && !pins.hasPods
}

/** A stalled reader must not block an upgrade, so this gives up after a timeout. */
async function drainsInTime(version: string, log: Log): Promise<boolean> {
  try {
    await drainVersion(version, { timeoutMs: VERSION_CHANGE_TIMEOUT_MS })
    return true
  } catch (error) {
    if (!isExplained(error) || error.code !== DRAIN_TIMEOUT) throw error
    log.warn({ pins: version, err: error }, 'kept for connections whose readers do not read')
    using pins = new Pins(version)
    pins.withdrawAll()
    return false
  }
}

/** The policy that the self-test allows, or the requested one. */
async function testedPolicy(
  { policy, pinDir, cgroupPath, btf, log }: KernelDatapathOptions,
  signal?: AbortSignal,
): Promise<SelfTestResult> {
  if (policy !== 'auto') return { policy, probes: [] }
  log.info('the self-test runs, before anything is attached')
  const result = await selfTest({ cgroupPath, pinDir, btf }, { ...(signal && { signal }) })
  const failed = result.probes.flatMap(({ name, ok }) => (ok ? [] : [name]))
  log.info({ policy: result.policy, failed }, 'self-test')
  return result
}

/**
 * The flaws that the FIONREAD watch looks after. A policy `full` that was set by hand says nothing about the kernel, so it
 * watches, too. The other policies have rules that hold for every program.
 */
function watchedFlaws({ policy, probes }: SelfTestResult): number {
  if (policy === 'full' && probes.length === 0) return HIDES_TCP
  return policy !== 'proxies-only' && isWatched(probes) ? HIDES_REDIRECTED : 0
}

/** The policy of running pins: what the self-test allowed, or what was set by hand. */
function policyOf(config: ConfigRecord): Policy {
  if (config.probesRun !== 0) return judge(probesIn(config)).policy
  return config.proxiesOnly ? 'proxies-only' : config.stopWhenStale ? 'full' : 'strict'
}

/** Moves the members of a pinned version back to TCP, then removes the version from the kernel. */
async function drainAndRemove(version: string, options: DrainOptions): Promise<void> {
  assertOurs(version)
  await drainVersion(version, options)
  removeVersion(version)
}

/** Resolves to whether it was already drained. */
async function drainVersion(version: string, options: DrainOptions): Promise<boolean> {
  const pins = openPins(version)
  if (!pins) return true
  try {
    using walks = new Walks({})
    const scans = new Scans({ pins, walks, netnsPaths: new Map() })
    return await drainAll(scans, options, (unkicked) => stalledReadersOf(version, unkicked))
  } finally {
    pins[Symbol.dispose]()
  }
}

/**
 * Names the processes that hold a lock. Names the readers that do not read, too, if this version can read the other
 * version's flow table.
 */
function stalledReadersOf(version: string, unkicked: readonly bigint[]): string {
  const isKnown = basename(version).includes(basename(currentPins(dirname(version))))
  if (!isKnown) return describeStalledReaders([], undefined, unkicked)
  using programs = new Programs(version)
  return describeStalledReaders(parseFlows(...flowPieces(programs)), undefined, unkicked)
}

/** Drains the pinned versions without an agent. The pins stay. Resolves to whether all were already drained. */
export async function drainKernelDatapath(pinDir: string, options: DrainOptions): Promise<boolean> {
  return withPins(
    pinDir,
    async (versions) => {
      let already = true
      for (const version of versions) {
        if (!(await drainVersion(version, options))) already = false
      }
      return already
    },
    true,
  )
}

/** Drains, detaches and unpins each version that can be drained, without an agent. Idempotent. */
export async function cleanupKernelDatapath(pinDir: string, options: DrainOptions): Promise<void> {
  removeDeadSelfTests(pinDir)
  await withPins(
    pinDir,
    async (versions) => {
      const failures: unknown[] = []
      for (const version of versions) {
        await drainAndRemove(version, options).catch((error: unknown) => failures.push(error))
      }
      if (failures.length > 0) throw failures[0]
      removePartial(pinDir)
      const left = removeEmpty(pinDir)
      if (left.length === 0) return
      throw new MeshaccelError(
        `${left.join(', ')} in it is not of a layout that this version knows`,
        {
          code: 'UNKNOWN_PINS',
          operation: `remove ${pinDir}`,
          hint: 'Everything else was removed. Run `meshaccel cleanup` of the version that made it, or remove it by hand.',
        },
      )
    },
    undefined,
  )
}

/** Runs `work` on the pinned versions while it holds the lock. Returns `none` if nothing is pinned. */
async function withPins<T>(
  pinDir: string,
  work: (versions: string[]) => Promise<T>,
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
