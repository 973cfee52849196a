/** What keeps connections moving: scans, kicks, and draining. Works on any version's pins, with or without an agent. */

import { MeshaccelError } from '../errors.ts'
import { withNetns } from '../libbpf/index.ts'
import type { ConfigRecord } from './layout.ts'
import { findNetns } from './netns-finder.ts'
import type { Programs } from './programs.ts'

/** Between two scans: a connection that is worth it joins in the second scan after. */
export const SCAN_INTERVAL_MS = 50

/** One scan, and a kick for each socket that it names. */
export function scan(programs: Programs, netnsPaths: ReadonlyMap<bigint, string>): void {
  const output = programs.iterators.scan.iterate()
  if (output.length === 0) return
  const cookies = new Set<bigint>()
  for (let offset = 0; offset + 8 <= output.length; offset += 8) {
    cookies.add(output.readBigUInt64LE(offset))
  }
  for (const cookie of cookies) runInNetns(programs, 'kick', cookie, netnsPaths)
}

/** Walks over the TCP sockets of a pod; one whose namespace is gone has none. */
export function runInNetns(
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

/** Turns redirecting off and scans until no socket is a member any more. Resolves to whether it was so before. */
export async function drainAll(
  programs: Programs,
  netnsPaths: ReadonlyMap<bigint, string>,
  timeoutMs: number,
): Promise<boolean> {
  const already = readConfig(programs).redirect === 0 && countMembers(programs) === 0
  setConfig(programs, { redirect: 0 })
  const deadline = performance.now() + timeoutMs
  for (;;) {
    programs.iterators.survey.run()
    scan(programs, netnsPaths)
    const members = countMembers(programs)
    if (members === 0) return already
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

/** Connections whose sockets are, or are about to be, in the sockhash. */
function countMembers(programs: Programs): number {
  programs.iterators.survey.run()
  const gauge = programs.gauge.lookup(0)
  return gauge === undefined ? 0 : gauge.joining + gauge.joined + gauge.leaving
}

export function readConfig(programs: Programs): ConfigRecord {
  const config = programs.config.lookup(0)
  if (config === undefined) throw new Error('the config map is an array of one')
  return config
}

/** Scans write to the map as well, from this thread only. */
export function setConfig(programs: Programs, change: Partial<ConfigRecord>): void {
  programs.config.update(0, { ...readConfig(programs), ...change })
}
