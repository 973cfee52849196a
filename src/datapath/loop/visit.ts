import { errnoOf } from '../../lib/errno.ts'
import { type IterLink, withNetns } from 'libbpf'
import { findNetns } from '../netns/finder.ts'
import type { Programs } from '../pins/programs.ts'

/** struct __sk_buff, of which a program reads cb. */
const SKB_BYTES = 192
const CB_OFFSET = 48
/** The kernel wants an Ethernet header. */
const packet = new Uint8Array(64)

type Visits = Pick<Programs, 'visit' | 'visitAll'>

/**
 * Has the wanted ends of the pods' network namespaces join. Takes no lock that a process of a pod can hold. Returns whether
 * a connection waits for its other end, so that the next scan should come at once.
 */
export function visit(
  programs: Visits,
  netnsCookies: readonly bigint[],
  netnsPaths: ReadonlyMap<bigint, string>,
): boolean {
  if (programs.visitAll) return visitAll(programs.visitAll)
  let atOnce = false
  for (const cookie of netnsCookies) atOnce = visitOne(programs, cookie, netnsPaths) || atOnce
  return atOnce
}

function visitOne(
  programs: Visits,
  netnsCookie: bigint,
  netnsPaths: ReadonlyMap<bigint, string>,
): boolean {
  const path = netnsPaths.get(netnsCookie) ?? findNetns(netnsCookie)
  if (path === undefined) return false
  try {
    return withNetns(path, () => visitHere(programs, netnsCookie))
  } catch (error) {
    // A pod that ends takes its namespace along before anybody hears of it.
    if (errnoOf(error) !== 'ENOENT') throw error
    return false
  }
}

/** The same for the namespace that the calling thread is in. */
export function visitHere(programs: Visits, netnsCookie: bigint): boolean {
  if (programs.visitAll) return visitAll(programs.visitAll)
  const skb = Buffer.alloc(SKB_BYTES)
  skb.writeBigUInt64LE(netnsCookie, CB_OFFSET)
  return programs.visit !== undefined && programs.visit.run(skb, packet) !== 0
}

/** Whatever it writes says that. */
function visitAll(link: IterLink): boolean {
  return link.iterate().length > 0
}
