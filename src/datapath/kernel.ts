/** The real data path: maps, programs and the scans that move connections between them. */

import { existsSync, statSync } from 'node:fs'
import type { RequestedPolicy } from '../config.ts'
import { MeshaccelError } from '../errors.ts'
import type { Log } from '../log.ts'
import type {
  ConnectionGauge,
  Counters,
  Datapath,
  Flow,
  PodNetns,
  Policy,
  Quarantined,
} from './datapath.ts'
import { sumCounters } from './counters.ts'
import { parseFlows } from './flow-table.ts'
import { type ConfigRecord, type ProgramRecord, reasonName, reasons } from './layout.ts'
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
import { drainAll, initialConfig, readConfig, runInNetns, scan, setConfig } from './scans.ts'
import type { SelfTestResult } from './selftest/policy.ts'
import { selfTest } from './selftest/self-test.ts'

/** Before the next scan when one has failed. */
const FAILED_SCAN_INTERVAL_MS = 200
/** Between two rounds of keepalive settings for new members. */
const KEEPALIVE_INTERVAL_MS = 30_000

/** How long another version's connections may take to leave. */
const VERSION_CHANGE_TIMEOUT_MS = 10_000

export interface KernelDatapathOptions {
  readonly cgroupPath: string
  readonly pinDir: string
  readonly capBytes: number
  readonly policy: RequestedPolicy
  readonly log: Log
}

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
  const result = await selfTest({ cgroupPath, pinDir: `${pinDir}-selftest-${process.pid}` })
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

class KernelDatapath implements Datapath {
  readonly policy: Policy
  readonly #programs: Programs
  readonly #lock: Disposable
  readonly #log: Log
  /** How to enter the pods' namespaces, by cookie. */
  readonly #netnsPaths = new Map<bigint, string>()
  #scanTimer: NodeJS.Timeout | undefined
  #quarantinedTold = 0
  readonly #keepaliveTimer: NodeJS.Timeout

  constructor(
    programs: Programs,
    policy: Policy,
    lock: Disposable,
    options: KernelDatapathOptions,
  ) {
    this.#programs = programs
    this.#lock = lock
    this.#log = options.log
    this.policy = policy
    setConfig(programs, {
      cap_bytes: options.capBytes,
      stop_when_stale: this.policy === 'strict' ? 0 : 1,
      proxies_only: this.policy === 'proxies-only' ? 1 : 0,
    })
    this.#keepaliveTimer = setInterval(() => this.#keepAlive(), KEEPALIVE_INTERVAL_MS)
    this.#scan()
  }

  enrolled(): ReadonlySet<bigint> {
    return new Set(this.#programs.pods.keys())
  }

  enrol(pod: PodNetns): void {
    const { netnsCookie, netnsPath, proxyUid } = pod
    this.#netnsPaths.set(netnsCookie, netnsPath)
    this.#programs.pods.update(netnsCookie, { enabled: 1, proxy_uid: proxyUid })
    this.#adoptConnections()
    this.#programs.survey.run()
    this.#scan()
  }

  withdraw(netnsCookie: bigint): void {
    this.#programs.pods.delete(netnsCookie)
    this.#programs.survey.run()
    this.#scan()
  }

  get redirecting(): boolean {
    return readConfig(this.#programs).redirect !== 0
  }

  async drain(timeoutMs: number): Promise<void> {
    await drainAll(this.#programs, this.#netnsPaths, timeoutMs)
  }

  resume(): void {
    setConfig(this.#programs, { redirect: 1 })
    this.#programs.survey.run()
  }

  counters(): Counters {
    const totals = sumCounters(this.#programs.counters.lookupPerCpu(0) ?? [])
    this.#programs.survey.run()
    const live = this.#programs.gauge.lookup(0)?.tcp_bytes ?? 0n
    return {
      redirectedBytes: totals.redirected_bytes,
      redirectedMessages: totals.redirected_messages,
      tcpBytes: totals.tcp_bytes + live,
      tcpMessages: totals.tcp_messages,
      reasons: Object.fromEntries(
        reasons.flatMap((name, code) => (code === 0 ? [] : [[name, totals.reasons[code] ?? 0n]])),
      ),
    }
  }

  connections(): ConnectionGauge {
    this.#programs.survey.run()
    const gauge = this.#programs.gauge.lookup(0)
    if (gauge === undefined)
      return { now: 0, watched: 0, joined: 0, engaged: 0, plain: 0, mixed: 0 }
    const { ends, paired, joined, engaged, mixed, leaving } = gauge
    // Two watched ends make a connection once they are paired; each other end is a connection of its own.
    const now = Math.max(paired, ends - paired)
    const members = Math.min(now, joined + leaving)
    return {
      now,
      watched: now - members,
      joined: members,
      engaged,
      plain: Math.max(0, now - engaged - mixed),
      mixed,
    }
  }

  flows(): Flow[] {
    return parseFlows(this.#programs.flows.iterate())
  }

  quarantined(): Quarantined[] {
    return this.#quarantine().map(([, program]) => program)
  }

  forgive(which: (program: Quarantined) => boolean): number {
    const forgiven = this.#quarantine().filter(([, program]) => which(program))
    for (const [key] of forgiven) this.#programs.quarantine.delete(key)
    return forgiven.length
  }

  #quarantine(): [ProgramRecord, Quarantined][] {
    return [...this.#programs.quarantine.entries()].map(([key, { reason, tgid, comm }]) => [
      key,
      {
        netnsCookie: key.netns_cookie,
        readerPid: tgid,
        readerComm: comm,
        reason: reasonName(reason),
      },
    ])
  }

  close(): void {
    clearTimeout(this.#scanTimer)
    clearInterval(this.#keepaliveTimer)
    this.#programs[Symbol.dispose]()
    this.#lock[Symbol.dispose]()
  }

  /** Scans now and plans the next scan. */
  #scan(): void {
    clearTimeout(this.#scanTimer)
    let waitMs = FAILED_SCAN_INTERVAL_MS
    try {
      waitMs = scan(this.#programs, this.#netnsPaths)
      this.#tellQuarantined()
    } catch (error) {
      this.#log.error({ err: error }, 'scan failed')
    }
    this.#scanTimer = setTimeout(() => this.#scan(), waitMs)
  }

  /** Logs the programs that were quarantined since it looked last. */
  #tellQuarantined(): void {
    const { quarantined } = readConfig(this.#programs)
    if (quarantined === this.#quarantinedTold) return
    this.#quarantinedTold = quarantined
    for (const { netnsCookie, readerPid, readerComm, reason } of this.quarantined()) {
      this.#log.warn(
        { netnsCookie: String(netnsCookie), pid: readerPid, comm: readerComm, reason },
        'quarantined: `meshaccel readers` names the pod and the program',
      )
    }
  }

  /** Finds the connections that are older than what we know: all ends are noted before any is matched. */
  #adoptConnections(): void {
    for (const iterator of [this.#programs.sight, this.#programs.adopt]) {
      for (const cookie of this.enrolled()) runInNetns(iterator, cookie, this.#netnsPaths)
    }
  }

  #keepAlive(): void {
    if (this.connections().joined === 0) return
    for (const cookie of this.enrolled()) runInNetns(this.#programs.kick, cookie, this.#netnsPaths)
  }
}
