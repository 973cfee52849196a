/** What keeps connections moving: scans, kicks, and draining. Works on any version's pins, with or without an agent. */

import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { errnoOf } from '../../lib/errno.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import type { IterLink } from 'libbpf'
import type { DrainOptions } from '../datapath.ts'
import type { ConfigRecord } from '../maps/generated.ts'
import type { Walks } from '../netns/walks.ts'
import type { Pins, Programs } from '../pins/programs.ts'

/** The code of the error that somebody does not read. */
export const DRAIN_TIMEOUT = 'DRAIN_TIMEOUT'
/** How long connections that are reset may take to be gone. */
const RESET_MS = 5_000

/** Between two scans while connections are joining or leaving. */
const BUSY_SCAN_INTERVAL_MS = 50
/** Between two scans while nothing happens: what is worth joining waits this long at most. */
const IDLE_SCAN_INTERVAL_MS = 200

/** What a scan writes beside the cookies of namespaces: there is more to do soon. */
const SOON = 0n
/** The same, at once: what versions before 0.2 write. */
const AT_ONCE = 2n ** 64n - 1n
/** The splice watch is needed. */
const WATCH = 2n ** 64n - 2n
/** Set in the cookie of a namespace where all that a member waits for are its settings. */
const SETTINGS_ONLY = 2n ** 63n
/** Set in the cookie of a namespace that has ends which are worth joining. */
const VISIT = 2n ** 62n

/** Of the pins of any version: scans and drains take no more of them. */
export interface ScannedPins extends Pick<Pins, 'kick' | 'stopRedirecting' | 'countMembers'> {
  readonly scan: Pick<IterLink, 'iterate'>
  readonly survey: Pick<IterLink, 'run'>
  readonly reset: Pick<IterLink, 'run'> | undefined
}

export interface ScansOptions {
  readonly pins: ScannedPins
  readonly walks: Pick<Walks, 'walk'>
  /** How to enter the pods' namespaces, by cookie. */
  readonly netnsPaths: ReadonlyMap<bigint, string>
  /** Hears of the namespaces in which there are new members without their settings. */
  readonly giveSettings?: (netnsCookie: bigint) => void
  /** Has the wanted ends of these namespaces join; returns whether to scan at once. Absent: none joins. */
  readonly visit?: (netnsCookies: readonly bigint[]) => boolean
  /** The splice watch is needed. */
  readonly watchSplice?: () => void
}

export interface Scanned {
  /** How long to wait before the next scan. */
  readonly waitMs: number
  /** Netns cookies of pods whose readers wait to be kicked. The kernel keeps these kicks for a later scan. */
  readonly unkicked: readonly bigint[]
}

/** The scans of a version's pins. They never overlap. */
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

  /** One scan, and a kick for each socket that it names, once the scan before has ended. */
  async scan(): Promise<Scanned> {
    const turn = this.#last.then(() => this.#scan())
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** One step towards no members. Resolves to how many sockets still are, and which pods wait for a kick. */
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

  /** Resolves once no scan is under way. None begins from now on. */
  async close(): Promise<void> {
    this[Symbol.dispose]()
    await this.#last
  }

  /** From now on the pins are not used. */
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
    cookies.delete(SOON)
    let atOnce = cookies.delete(AT_ONCE)
    // First: a direction may become mixed only once it is attached.
    if (cookies.delete(WATCH)) watchSplice?.()
    const wanted = [...cookies].filter((cookie) => cookie >= VISIT && cookie < SETTINGS_ONLY)
    for (const cookie of wanted) cookies.delete(cookie)
    if (wanted.length > 0) atOnce = visit?.(wanted.map((cookie) => cookie - VISIT)) || atOnce
    for (const cookie of cookies) {
      if (this.#disposed) break
      if (cookie >= SETTINGS_ONLY) giveSettings?.(cookie - SETTINGS_ONLY)
      else if (!(await walks.walk(pins.kick, cookie, netnsPaths))) unkicked.push(cookie)
    }
    return { waitMs: atOnce ? 0 : BUSY_SCAN_INTERVAL_MS, unkicked }
  }
}

/** The netns cookies that an iterator has written. */
export function cookiesIn(output: Buffer): Set<bigint> {
  const cookies = new Set<bigint>()
  for (let offset = 0; offset + 8 <= output.length; offset += 8) {
    cookies.add(output.readBigUInt64LE(offset))
  }
  return cookies
}

/** Says who keeps connections from leaving, given the pods that could not be walked over. */
export type TellHolders = (unkicked: readonly bigint[]) => string

/**
 * Turns redirecting off and scans until no socket is a member any more. Resolves to whether it was so before. `holders`
 * says whose sockets still are, when the time is over.
 */
export async function drainAll(
  scans: Scans,
  { timeoutMs, force = false }: DrainOptions,
  holders: TellHolders,
): Promise<boolean> {
  const { pins } = scans
  const already = !pins.stopRedirecting() && pins.countMembers() === 0
  let left = await leaving(scans, timeoutMs)
  // Sockets that were reset are in no flow table.
  const who = isDone(left) ? '' : holders(left.unkicked)
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
      ? 'All else is back on TCP. These are reset, but still open: end the processes that hold them, and try again.'
      : 'All else is back on TCP, and these follow once they have been read or closed: try again then. ' +
        '`--force` resets them.',
    retryable: true,
  })
}

/** What still has to leave. */
interface Left {
  /** Sockets in the sockhash. */
  readonly members: number
  readonly unkicked: readonly bigint[]
}

const isDone = ({ members, unkicked }: Left): boolean => members === 0 && unkicked.length === 0

/** Scans until all has left, or the time is over, with `help` before each. Resolves to what is left. */
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

/** Idle seconds before a member's first keepalive probe; conntrack's default timeout is five days, clouds use 350 s. */
const KEEPALIVE_IDLE_S = 120

/** Where TCP's memory begins to be tight: the first of tcp_mem. */
export function tcpMemoryPages(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/tcp_mem', 'utf8'), 10)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    // Only the first network namespace shows it. This is what the kernel starts with (tcp_init_mem).
    return Math.floor(((totalmem() / PAGE_BYTES) * 3) / 64)
  }
}

const PAGE_BYTES = 4_096

/** The settings of a data path that is new: it redirects, as `strict` wants it. */
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
    ...memoryBudgets(),
  }
}

/** R3: each connection that joins takes 16 KiB of its pod's budget, so this bounds connections, too. */
const POD_MEMORY_SHARE = 64
const NODE_MEMORY_SHARE = 16
const LEAST_POD_MEMORY_BYTES = 32 * 2 ** 20

/** Kernel memory for messages that were redirected and are unread: a part of the machine's, unless one is named. */
export function memoryBudgets(
  podMemoryBytes?: number,
  totalBytes: number = totalmem(),
): Pick<ConfigRecord, 'podMemoryBytes' | 'nodeMemoryBytes'> {
  const podBytes =
    podMemoryBytes ?? Math.max(LEAST_POD_MEMORY_BYTES, Math.floor(totalBytes / POD_MEMORY_SHARE))
  const nodeBytes = Math.max(2 * podBytes, Math.floor(totalBytes / NODE_MEMORY_SHARE))
  return { podMemoryBytes: BigInt(podBytes), nodeMemoryBytes: BigInt(nodeBytes) }
}

/** Scans write to the map as well, from this thread only. */
export function setConfig(programs: Programs, change: Partial<ConfigRecord>): void {
  programs.config.update(0, { ...readConfig(programs), ...change })
}
