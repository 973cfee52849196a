/**
 * Scans, kicks and draining: they move connections between states. They work on the pins of any version, with or
 * without an agent.
 */

import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { errnoOf } from '../../lib/errno.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import type { IterLink } from 'libbpf'
import type { DrainOptions } from '../datapath.ts'
import type { ConfigRecord } from '../maps/generated.ts'
import type { Walks } from '../netns/walks.ts'
import type { Pins, Programs } from '../pins/programs.ts'

/** The code of the error for a drain that a reader holds up because it does not read. */
export const DRAIN_TIMEOUT = 'DRAIN_TIMEOUT'
/** How long reset connections may take to disappear. */
const RESET_MS = 5_000

/** The pause between two scans while connections join or leave. */
const BUSY_SCAN_INTERVAL_MS = 50
/** The pause between two scans while nothing happens. It bounds how long an end waits until it joins. */
const IDLE_SCAN_INTERVAL_MS = 200

/** A mark that a scan writes among the netns cookies: more work is due soon. */
const SOON = 0n
/** A mark from versions before 0.2: more work is due at once. */
const AT_ONCE = 2n ** 64n - 1n
/** The splice watch is needed. */
const WATCH = 2n ** 64n - 2n
/** Set in the cookie of a namespace where the members wait for settings only. */
const SETTINGS_ONLY = 2n ** 63n
/** Set in the cookie of a namespace with ends that are worth joining. */
const VISIT = 2n ** 62n

/** The pins of any version that scans and drains use. They must use no others. */
export interface ScannedPins extends Pick<Pins, 'kick' | 'stopRedirecting' | 'countMembers'> {
  readonly scan: Pick<IterLink, 'iterate'>
  readonly survey: Pick<IterLink, 'run'>
  readonly reset: Pick<IterLink, 'run'> | undefined
}

export interface ScansOptions {
  readonly pins: ScannedPins
  readonly walks: Pick<Walks, 'walk'>
  /** Paths of the pods' network namespaces, by netns cookie. */
  readonly netnsPaths: ReadonlyMap<bigint, string>
  /** Called with the cookie of a namespace that has new members without settings. */
  readonly giveSettings?: (netnsCookie: bigint) => void
  /** Has the wanted ends of these namespaces join. Returns whether to scan again at once. If absent, no end joins. */
  readonly visit?: (netnsCookies: readonly bigint[]) => boolean
  /** The splice watch is needed. */
  readonly watchSplice?: () => void
}

export interface Scanned {
  /** The pause before the next scan. */
  readonly waitMs: number
  /** Netns cookies of pods with readers that still need a kick. The kernel keeps these kicks for a later scan. */
  readonly unkicked: readonly bigint[]
}

/** The scans of one version's pins. They never overlap. */
export class Scans implements Disposable {
  readonly #options: ScansOptions
  #last: Promise<unknown> = Promise.resolve()
  #disposed = false

  constructor(options: ScansOptions) {
    this.#options = options
  }

  get pins(): ScannedPins {
    return this.#options.pins
  }

  /** Waits for the previous scan, scans once, and kicks each socket that the scan names. */
  async scan(): Promise<Scanned> {
    const turn = this.#last.then(() => this.#scan())
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /**
   * One step of draining. Resolves to the number of sockets that are still members, and the pods that still need a
   * kick.
   */
  async drainOnce(): Promise<Left> {
    this.pins.survey.run()
    const { unkicked } = await this.scan()
    if (this.#disposed) {
      throw new MeshaccelError('the agent ends', {
        code: 'AGENT_ENDS',
        operation: 'drain',
        hint: 'Run `meshaccel drain` again: it works without an agent, too.',
      })
    }
    return { members: this.pins.countMembers(), unkicked }
  }

  /** Stops new scans. Resolves when no scan is running. */
  async close(): Promise<void> {
    this[Symbol.dispose]()
    await this.#last
  }

  /** Stops the use of the pins. */
  [Symbol.dispose](): void {
    this.#disposed = true
  }

  async #scan(): Promise<Scanned> {
    const { pins, walks, netnsPaths, giveSettings, visit, watchSplice } = this.#options
    const unkicked: bigint[] = []
    if (this.#disposed) return { waitMs: IDLE_SCAN_INTERVAL_MS, unkicked }
    const output = pins.scan.iterate()
    if (output.length === 0) return { waitMs: IDLE_SCAN_INTERVAL_MS, unkicked }
    const cookies = cookiesIn(output)
    const soon = cookies.delete(SOON)
    let atOnce = cookies.delete(AT_ONCE)
    // This comes first: a direction may become mixed only while the splice watch is attached.
    if (cookies.delete(WATCH)) watchSplice?.()
    const wanted = [...cookies].filter((cookie) => cookie >= VISIT && cookie < SETTINGS_ONLY)
    for (const cookie of wanted) cookies.delete(cookie)
    if (wanted.length > 0) atOnce = visit?.(wanted.map((cookie) => cookie - VISIT)) || atOnce
    for (const cookie of cookies) {
      if (this.#disposed) break
      if (cookie >= SETTINGS_ONLY) giveSettings?.(cookie - SETTINGS_ONLY)
      else if (!(await walks.walk(pins.kick, cookie, netnsPaths))) unkicked.push(cookie)
    }
    const waitMs = soon || unkicked.length > 0 ? BUSY_SCAN_INTERVAL_MS : IDLE_SCAN_INTERVAL_MS
    return { waitMs: atOnce ? 0 : waitMs, unkicked }
  }
}

/** Decodes the netns cookies that an iterator has written. */
export function cookiesIn(output: Buffer): Set<bigint> {
  const cookies = new Set<bigint>()
  for (let offset = 0; offset + 8 <= output.length; offset += 8) {
    cookies.add(output.readBigUInt64LE(offset))
  }
  return cookies
}

/** Names the readers that keep connections from leaving. `unkicked` are the pods that no walk could enter. */
export type DescribeStalledReaders = (unkicked: readonly bigint[]) => string

/**
 * Turns redirecting off and scans until no socket is a member. Resolves to whether it was drained before. After the
 * timeout `describe` names the readers that hold it up.
 */
export async function drainAll(
  scans: Scans,
  { timeoutMs, force = false }: DrainOptions,
  describe: DescribeStalledReaders,
): Promise<boolean> {
  const { pins } = scans
  const already = !pins.stopRedirecting() && pins.countMembers() === 0
  let left = await leaving(scans, timeoutMs)
  // The flow table does not list sockets that were reset, so this must come before the reset.
  const who = isDone(left) ? '' : describe(left.unkicked)
  if (!isDone(left) && force) left = await leaving(scans, RESET_MS, () => pins.reset?.run())
  if (isDone(left)) return already
  const what =
    left.members > 0
      ? `${left.members} sockets are still members`
      : `the readers of ${left.unkicked.length} pods could not be woken`
  throw new MeshaccelError(`${what}${who && `: ${who}`}`, {
    code: DRAIN_TIMEOUT,
    operation: 'drain',
    hint: force
      ? 'All other connections are back on TCP. These are reset, but still open: end the processes that hold them, and try again.'
      : 'All other connections are back on TCP. These follow once they are read or closed: try again then. ' +
        '`--force` resets them.',
    retryable: true,
  })
}

/** The sockets that have not left yet. */
interface Left {
  /** Sockets in the sockhash. */
  readonly members: number
  readonly unkicked: readonly bigint[]
}

const isDone = ({ members, unkicked }: Left): boolean => members === 0 && unkicked.length === 0

/** Scans until all have left, or until the timeout; calls `help` before each scan. Resolves to what is left. */
async function leaving(
  scans: Scans,
  timeoutMs: number,
  help: () => void = () => undefined,
): Promise<Left> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    help()
    const left = await scans.drainOnce()
    if (isDone(left) || performance.now() > deadline) return left
    await new Promise((resolve) => setTimeout(resolve, BUSY_SCAN_INTERVAL_MS / 2))
  }
}

export function readConfig(programs: Programs): ConfigRecord {
  const config = programs.config.lookup(0)
  if (config === undefined) throw new Error('the config map is an array of one')
  return config
}

/** Idle seconds before a member's first keepalive probe. conntrack's default timeout is five days; clouds use 350 s. */
const KEEPALIVE_IDLE_S = 120

/** The first value of tcp_mem, in pages. Below it the kernel does not limit TCP's memory. */
export function tcpMemoryPages(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/tcp_mem', 'utf8'), 10)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    // Only the initial network namespace has this file. The kernel starts with this value (tcp_init_mem).
    return Math.floor(((totalmem() / PAGE_BYTES) * 3) / 64)
  }
}

const PAGE_BYTES = 4_096

/** Values of `fionreadHides`: what FIONREAD does not count on a member (meshaccel.h). */
export const HIDES_REDIRECTED = 1
export const HIDES_TCP = 2

/** The settings of a new data path. Redirecting is on, under the policy `strict`. */
export function initialConfig(cgroupId: bigint, capBytes: number): ConfigRecord {
  return {
    redirect: 1,
    capBytes,
    heartbeatNs: 0n,
    keepaliveS: KEEPALIVE_IDLE_S,
    scan: 0,
    slotsUsed: 0,
    stopWhenStale: 0,
    cgroupId,
    proxiesOnly: 0,
    tcpMemoryPages: tcpMemoryPages(),
    sweptNs: 0n,
    rules: 0,
    probesRun: 0,
    probesOk: 0,
    spliceWatched: 1,
    sweep: 0,
    fionreadHides: 0,
    ...memoryBudgets(),
  }
}

/** R3: each connection that joins takes 16 KiB of its pod's budget. So this value bounds connections, too. */
const POD_MEMORY_SHARE = 64
const NODE_MEMORY_SHARE = 16
const LEAST_POD_MEMORY_BYTES = 32 * 2 ** 20

/**
 * Budgets of kernel memory for redirected messages that are unread. By default each is a share of the machine's memory.
 */
export function memoryBudgets(
  podMemoryBytes?: number,
  totalBytes: number = totalmem(),
): Pick<ConfigRecord, 'podMemoryBytes' | 'nodeMemoryBytes'> {
  const podBytes =
    podMemoryBytes ?? Math.max(LEAST_POD_MEMORY_BYTES, Math.floor(totalBytes / POD_MEMORY_SHARE))
  const nodeBytes = Math.max(2 * podBytes, Math.floor(totalBytes / NODE_MEMORY_SHARE))
  return { podMemoryBytes: BigInt(podBytes), nodeMemoryBytes: BigInt(nodeBytes) }
}

/** Read-modify-write without a lock: scans also write to the map, but from this thread only. */
export function setConfig(programs: Programs, change: Partial<ConfigRecord>): void {
  programs.config.update(0, { ...readConfig(programs), ...change })
}
