import { readdirSync, readlinkSync } from 'node:fs'
import { currentNetnsCookie, netnsCookie, withNetns } from 'libbpf'
import { processIds } from '../../lib/proc.ts'

/** The directory where `ip netns` keeps names. */
const NAMED = '/run/netns'

/**
 * A path that opens the network namespace with this cookie: by name, or by a process in it. It reads all of /proc, so
 * it is for pods that no source reports any more.
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
      // The process or the name has just gone.
    }
  }
  return undefined
}

/**
 * The known path, if it still leads to the network namespace with this cookie. A name may be reused, and a process may end
 * before others in its namespace. Otherwise another path.
 */
export function pathTo(
  cookie: bigint,
  netnsPaths: ReadonlyMap<bigint, string>,
): string | undefined {
  const known = netnsPaths.get(cookie)
  return known !== undefined && leadsTo(known, cookie) ? known : findNetns(cookie)
}

/**
 * Runs `fn` synchronously inside the network namespace with this cookie. Returns undefined if there is none any more.
 * Throws what `fn` throws.
 */
export function withNetnsOf<T>(
  cookie: bigint,
  netnsPaths: ReadonlyMap<bigint, string>,
  fn: () => T,
): T | undefined {
  const known = netnsPaths.get(cookie)
  const done = known === undefined ? undefined : runIfIn(known, cookie, fn)
  if (done) return done.result
  const other = findNetns(cookie)
  return other === undefined ? undefined : runIfIn(other, cookie, fn)?.result
}

/** Enters the namespace once: `netnsCookie` would enter it, too. */
function runIfIn<T>(path: string, cookie: bigint, fn: () => T): { result: T } | undefined {
  let began = false
  try {
    return withNetns(path, () => {
      if (currentNetnsCookie() !== cookie) return undefined
      began = true
      return { result: fn() }
    })
  } catch (error) {
    if (began) throw error
    // It is gone, or no network namespace any more.
    return undefined
  }
}

function leadsTo(path: string, cookie: bigint): boolean {
  try {
    return netnsCookie(path) === cookie
  } catch {
    // It is gone, or no network namespace any more.
    return false
  }
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
