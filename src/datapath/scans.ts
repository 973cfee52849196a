/** What keeps connections moving: scans, kicks, and draining. Works on any version's pins, with or without an agent. */

import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { errnoOf } from '../errno.ts'
import { MeshaccelError } from '../errors.ts'
import { type IterLink, withNetns } from '../libbpf/index.ts'
import type { DrainOptions } from './datapath.ts'
import type { ConfigRecord } from './layout.ts'
import { findNetns } from './netns-finder.ts'
import type { Pins, Programs } from './programs.ts'

/** The code of the error that somebody does not read. */
export const DRAIN_TIMEOUT = 'DRAIN_TIMEOUT'
/** How long connections that are reset may take to be gone. */
const RESET_MS = 5_000

/** Between two scans while connections are joining or leaving. */
const BUSY_SCAN_INTERVAL_MS = 50
/** Between two scans while nothing happens: what is worth joining waits this long at most. */
const IDLE_SCAN_INTERVAL_MS = 200

/** What a scan writes beside the cookies of namespaces: there is more to do soon, or at once. */
const SOON = 0n
const AT_ONCE = 2n ** 64n - 1n
/** The splice watch is needed. */
const WATCH = 2n ** 64n - 2n
/** Set in the cookie of a namespace where all that a member waits for are its settings. */
const SETTINGS_ONLY = 2n ** 63n

/**
 * One scan, and a kick for each socket that it names. Returns how long to wait before the next one, in ms.
 * `giveSettings` hears of the namespaces in which there are new members without their settings.
 */
export function scan(
  pins: Pins,
  netnsPaths: ReadonlyMap<bigint, string>,
  giveSettings: (netnsCookie: bigint) => void = () => undefined,
): number {
  const output = pins.scan.iterate()
  if (output.length === 0) return IDLE_SCAN_INTERVAL_MS
  const cookies = cookiesIn(output)
  cookies.delete(SOON)
  const atOnce = cookies.delete(AT_ONCE)
  const watch = cookies.delete(WATCH)
  for (const cookie of cookies) {
    if (cookie >= SETTINGS_ONLY) giveSettings(cookie - SETTINGS_ONLY)
    else runInNetns(pins.kick, cookie, netnsPaths)
  }
  return atOnce ? 0 : BUSY_SCAN_INTERVAL_MS
}

/** Walks over the TCP sockets of a pod; returns what the iterator wrote. One whose namespace is gone has none. */
export function runInNetns(
  iterator: IterLink,
  cookie: bigint,
  netnsPaths: ReadonlyMap<bigint, string>,
): Buffer {
  const path = netnsPaths.get(cookie) ?? findNetns(cookie)
  if (path === undefined) return Buffer.alloc(0)
  try {
    using walk = withNetns(path, () => iterator.open())
    return walk.read()
  } catch (error) {
    // A pod that ends takes its namespace along before anybody hears of it.
    if (errnoOf(error) !== 'ENOENT') throw error
    return Buffer.alloc(0)
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

/**
 * Turns redirecting off and scans until no socket is a member any more. Resolves to whether it was so before. `holders`
 * says whose sockets still are, when the time is over.
 */
export async function drainAll(
  pins: Pins,
  netnsPaths: ReadonlyMap<bigint, string>,
  { timeoutMs, force = false }: DrainOptions,
  holders: () => string,
): Promise<boolean> {
  const already = !pins.stopRedirecting() && pins.countMembers() === 0
  let members = await leaving(pins, netnsPaths, timeoutMs)
  // Sockets that were reset are in no flow table.
  const who = members > 0 ? holders() : ''
  if (members > 0 && force) {
    members = await leaving(pins, netnsPaths, RESET_MS, () => pins.reset?.run())
  }
  if (members === 0) return already
  throw new MeshaccelError(`${members} sockets are still members${who && `: ${who}`}`, {
    code: DRAIN_TIMEOUT,
    operation: 'drain',
    hint: force
      ? 'All else is back on TCP. These are reset, but still open: end the processes that hold them, and try again.'
      : 'All else is back on TCP, and these follow once they have been read or closed: try again then. ' +
        '`--force` resets them.',
    retryable: true,
  })
}

/** Scans until no socket is a member, or the time is over, with `help` before each. Resolves to how many still are. */
async function leaving(
  pins: Pins,
  netnsPaths: ReadonlyMap<bigint, string>,
  timeoutMs: number,
  help: () => void = () => undefined,
): Promise<number> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    help()
    const members = drainOnce(pins, netnsPaths)
    if (members === 0 || performance.now() > deadline) return members
    await new Promise((resolve) => setTimeout(resolve, BUSY_SCAN_INTERVAL_MS / 2))
  }
}

/** One step towards no members. Returns how many sockets still are. */
export function drainOnce(pins: Pins, netnsPaths: ReadonlyMap<bigint, string>): number {
  pins.survey.run()
  scan(pins, netnsPaths)
  return pins.countMembers()
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
    cap_bytes: capBytes,
    heartbeat_ns: 0n,
    keepalive_s: KEEPALIVE_IDLE_S,
    scan: 0,
    slots_used: 0,
    stop_when_stale: 0,
    cgroup_id: cgroupId,
    proxies_only: 0,
    tcp_memory_pages: tcpMemoryPages(),
    swept_ns: 0n,
    rules: 0,
    probes_run: 0,
    probes_ok: 0,
    splice_watched: 1,
    sweep: 0,
    pad: 0,
    ...memoryBudgets(),
  }
}

/** R3: each connection that joins takes 16 KiB of its pod's budget, so this bounds connections, too. */
const POD_MEMORY_SHARE = 64
const NODE_MEMORY_SHARE = 16
const LEAST_POD_MEMORY_BYTES = 32 * 2 ** 20

/** Kernel memory for messages that were redirected and are unread: a part of the machine's. */
export function memoryBudgets(
  totalBytes: number = totalmem(),
): Pick<ConfigRecord, 'pod_memory_bytes' | 'node_memory_bytes'> {
  const podBytes = Math.max(LEAST_POD_MEMORY_BYTES, Math.floor(totalBytes / POD_MEMORY_SHARE))
  const nodeBytes = Math.max(2 * podBytes, Math.floor(totalBytes / NODE_MEMORY_SHARE))
  return { pod_memory_bytes: BigInt(podBytes), node_memory_bytes: BigInt(nodeBytes) }
}

/** Scans write to the map as well, from this thread only. */
export function setConfig(programs: Programs, change: Partial<ConfigRecord>): void {
  programs.config.update(0, { ...readConfig(programs), ...change })
}
