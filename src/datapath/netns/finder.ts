import { readdirSync, readlinkSync } from 'node:fs'
import { netnsCookie } from 'libbpf'
import { processIds } from '../../lib/proc.ts'

/** Where `ip netns` keeps names. */
const NAMED = '/run/netns'

/**
 * A path that opens the network namespace with the cookie: one with a name, or one that a process is in. For a pod
 * that nobody tells us about any more; looks at every process, so it is for the rare case.
 */
export function findNetns(cookie: bigint): string | undefined {
  const seen = new Set<string>()
  for (const path of candidates()) {
    try {
      const inode = path.startsWith('/proc') ? readlinkSync(path) : path
      if (seen.has(inode)) continue
      seen.add(inode)
      if (netnsCookie(path) === cookie) return path
    } catch {
      // The process or the name has just gone, and what it opened with it.
    }
  }
  return undefined
}

function* candidates(): Generator<string> {
  for (const name of names()) yield `${NAMED}/${name}`
  for (const pid of processIds()) yield `/proc/${pid}/ns/net`
}

function names(): string[] {
  try {
    return readdirSync(NAMED)
  } catch {
    return []
  }
}
