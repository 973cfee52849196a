/** The real data path: maps, programs and the scans that move connections between them. */

import { existsSync, statSync } from 'node:fs'
import type { RequestedPolicy } from '../config.ts'
import { MeshaccelError } from '../errors.ts'
import { withNetns } from '../libbpf/index.ts'
import type { Log } from '../log.ts'
import type { ConnectionGauge, Counters, Datapath, Flow, PodNetns, Policy } from './datapath.ts'
import { parseFlows } from './flow-table.ts'
import { type ConfigRecord, type CountersRecord, reasons } from './layout.ts'
import { findNetns } from './netns-finder.ts'
import {
  currentPins,
  install,
  lockPins,
  pinnedVersions,
  Programs,
  removePinDirectory,
  removePins,
} from './programs.ts'

/** Between two scans: a connection that is worth it joins in the second scan after. */
const SCAN_INTERVAL_MS = 50
/** Between two rounds of keepalive settings for new members. */
const KEEPALIVE_INTERVAL_MS = 30_000
/** Idle seconds before a member's first keepalive probe; conntrack's default timeout is five days, clouds use 350 s. */
const KEEPALIVE_IDLE_S = 120

/** How long another version's connections may take to leave. */
const VERSION_CHANGE_TIMEOUT_MS = 10_000

export interface KernelDatapathOptions {
  readonly cgroupPath: string
  readonly pinDir: string
  readonly capBytes: number
  readonly policy: RequestedPolicy
  readonly log: Log
}

/** Loads, attaches and pins, or adopts the pins of an earlier agent. */
export async function openKernelDatapath(options: KernelDatapathOptions): Promise<Datapath> {
  const { pinDir, cgroupPath, log } = options
  const lock = lockPins(pinDir)
  try {
    await replaceOthers(pinDir, log)
    const current = currentPins(pinDir)
    const cgroupId = BigInt(statSync(cgroupPath).ino)
    const adopts = pinnedVersions(pinDir).includes(current)
    if (!adopts) install(pinDir, cgroupPath, (config) => config.update(0, initialConfig(cgroupId)))
    const programs = new Programs(current)
    try {
      if (readConfig(programs).cgroup_id !== cgroupId) {
        throw new MeshaccelError(`its pins are attached to another cgroup than ${cgroupPath}`, {
          code: 'OTHER_CGROUP',
          operation: `adopt ${current}`,
          hint: 'Run `meshaccel cleanup` first, or name the same --cgroup.',
        })
      }
      log.info({ pins: current, cgroup: cgroupPath }, adopts ? 'adopted' : 'attached')
      return new KernelDatapath(programs, lock, options)
    } catch (error) {
      programs[Symbol.dispose]()
      throw error
    }
  } catch (error) {
    lock[Symbol.dispose]()
    removePinDirectory(pinDir)
    throw error
  }
}

/** Another version's data path is emptied before ours takes its place: its connections run on TCP meanwhile. */
async function replaceOthers(pinDir: string, log: Log): Promise<void> {
  const current = currentPins(pinDir)
  for (const other of pinnedVersions(pinDir).filter((directory) => directory !== current)) {
    log.info({ pins: other }, 'draining the data path of another version')
    using programs = new Programs(other)
    await drainAll(programs, new Map(), VERSION_CHANGE_TIMEOUT_MS)
    removePins(other)
  }
}

function initialConfig(cgroupId: bigint): ConfigRecord {
  return {
    redirect: 1,
    cap_bytes: 0,
    heartbeat_ns: 0n,
    keepalive_s: KEEPALIVE_IDLE_S,
    scan: 0,
    slots_used: 0,
    stop_when_stale: 0,
    cgroup_id: cgroupId,
  }
}

export interface CleanupOptions {
  readonly pinDir: string
  readonly cgroupPath: string
  readonly timeoutMs: number
}

/** Drains, detaches and unpins what is there, with or without an agent. Idempotent. */
export async function cleanupKernelDatapath(options: CleanupOptions): Promise<void> {
  if (!existsSync(options.pinDir)) return
  const lock = lockPins(options.pinDir)
  try {
    for (const directory of pinnedVersions(options.pinDir)) {
      using programs = new Programs(directory)
      await drainAll(programs, new Map(), options.timeoutMs)
      removePins(directory)
    }
    removePinDirectory(options.pinDir)
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
  readonly #scanTimer: NodeJS.Timeout
  readonly #keepaliveTimer: NodeJS.Timeout

  constructor(programs: Programs, lock: Disposable, options: KernelDatapathOptions) {
    this.#programs = programs
    this.#lock = lock
    this.#log = options.log
    this.policy = options.policy === 'auto' ? 'strict' : options.policy
    setConfig(programs, {
      cap_bytes: options.capBytes,
      stop_when_stale: this.policy === 'strict' ? 0 : 1,
    })
    this.#scanTimer = setInterval(() => this.#scan(), SCAN_INTERVAL_MS)
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
    this.#programs.iterators.survey.run()
    this.#scan()
  }

  withdraw(netnsCookie: bigint): void {
    this.#programs.pods.delete(netnsCookie)
    this.#programs.iterators.survey.run()
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
    this.#programs.iterators.survey.run()
  }

  counters(): Counters {
    const totals = sumCounters(this.#programs.counters.lookupPerCpu(0) ?? [])
    this.#programs.iterators.survey.run()
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
    this.#programs.iterators.survey.run()
    const gauge = this.#programs.gauge.lookup(0)
    if (gauge === undefined)
      return { now: 0, watched: 0, joined: 0, engaged: 0, plain: 0, mixed: 0 }
    const { ends, paired, joined, engaged, mixed, leaving } = gauge
    // Two watched ends make a connection once they are paired; each other end is a connection of its own.
    const now = Math.max(paired, ends - paired)
    return {
      now,
      watched: now - joined - leaving,
      joined: joined + leaving,
      engaged,
      plain: now - engaged - mixed,
      mixed,
    }
  }

  flows(): Flow[] {
    return parseFlows(this.#programs.iterators.flows.iterate())
  }

  close(): void {
    clearInterval(this.#scanTimer)
    clearInterval(this.#keepaliveTimer)
    this.#programs[Symbol.dispose]()
    this.#lock[Symbol.dispose]()
  }

  #scan(): void {
    try {
      scan(this.#programs, this.#netnsPaths)
    } catch (error) {
      this.#log.error({ err: error }, 'scan failed')
    }
  }

  /** Finds the connections that are older than what we know: all ends are noted before any is matched. */
  #adoptConnections(): void {
    for (const iterator of ['sight', 'adopt'] as const) {
      for (const cookie of this.enrolled())
        runInNetns(this.#programs, iterator, cookie, this.#netnsPaths)
    }
  }

  #keepAlive(): void {
    if (this.connections().joined === 0) return
    for (const cookie of this.enrolled())
      runInNetns(this.#programs, 'kick', cookie, this.#netnsPaths)
  }
}

/** One scan, and a kick for each socket that it names. */
function scan(programs: Programs, netnsPaths: ReadonlyMap<bigint, string>): void {
  const output = programs.iterators.scan.iterate()
  if (output.length === 0) return
  const cookies = new Set<bigint>()
  for (let offset = 0; offset + 8 <= output.length; offset += 8) {
    cookies.add(output.readBigUInt64LE(offset))
  }
  for (const cookie of cookies) runInNetns(programs, 'kick', cookie, netnsPaths)
}

/** Walks over the TCP sockets of a pod; one whose namespace is gone has none. */
function runInNetns(
  programs: Programs,
  iterator: 'sight' | 'adopt' | 'kick',
  cookie: bigint,
  netnsPaths: ReadonlyMap<bigint, string>,
): void {
  const path = netnsPaths.get(cookie) ?? findNetns(cookie)
  if (path === undefined) return
  using walk = withNetns(path, () => programs.iterators[iterator].open())
  walk.read()
}

/** Turns redirecting off and scans until no socket is a member any more. */
async function drainAll(
  programs: Programs,
  netnsPaths: ReadonlyMap<bigint, string>,
  timeoutMs: number,
): Promise<void> {
  setConfig(programs, { redirect: 0 })
  const deadline = performance.now() + timeoutMs
  for (;;) {
    programs.iterators.survey.run()
    scan(programs, netnsPaths)
    programs.iterators.survey.run()
    const gauge = programs.gauge.lookup(0)
    const members = gauge === undefined ? 0 : gauge.joining + gauge.joined + gauge.leaving
    if (members === 0) return
    if (performance.now() > deadline) {
      throw new MeshaccelError(
        `${members} connections still hold redirected bytes that nobody reads`,
        {
          code: 'DRAIN_TIMEOUT',
          operation: 'drain',
          hint: 'Nothing is redirected any more. `meshaccel flows` names them; try again once they have been read or closed.',
          retryable: true,
        },
      )
    }
    await new Promise((resolve) => setTimeout(resolve, SCAN_INTERVAL_MS / 2))
  }
}

function readConfig(programs: Programs): ConfigRecord {
  const config = programs.config.lookup(0)
  if (config === undefined) throw new Error('the config map is an array of one')
  return config
}

/** Scans write to the map as well, from this thread only. */
function setConfig(programs: Programs, change: Partial<ConfigRecord>): void {
  programs.config.update(0, { ...readConfig(programs), ...change })
}

function sumCounters(perCpu: readonly CountersRecord[]): CountersRecord {
  const sum = (pick: (record: CountersRecord) => bigint): bigint =>
    perCpu.reduce((total, record) => total + pick(record), 0n)
  return {
    redirected_bytes: sum((r) => r.redirected_bytes),
    redirected_messages: sum((r) => r.redirected_messages),
    tcp_bytes: sum((r) => r.tcp_bytes),
    tcp_messages: sum((r) => r.tcp_messages),
    joins: sum((r) => r.joins),
    leaves: sum((r) => r.leaves),
    kicks: sum((r) => r.kicks),
    watched: sum((r) => r.watched),
    closed: sum((r) => r.closed),
    reasons: reasons.map((_, code) => sum((r) => r.reasons[code] ?? 0n)),
  }
}
