import { errnoOf } from '../errno.ts'
import { withNetns } from '../libbpf/index.ts'
import { findNetns } from './netns-finder.ts'
import type { Programs } from './programs.ts'

/** struct __sk_buff, of which the program reads cb[0] and cb[1]. */
const SKB_BYTES = 192
const CB_OFFSET = 48
/** The kernel wants an Ethernet header. */
const packet = new Uint8Array(64)

/**
 * Has the wanted ends of a pod's network namespace join. Takes no lock that a process of the pod can hold. Returns whether
 * a connection waits for its other end, so that the next scan should come at once.
 */
export function visit(
  programs: Pick<Programs, 'visit'>,
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
export function visitHere(
  { visit: program }: Pick<Programs, 'visit'>,
  netnsCookie: bigint,
): boolean {
  const skb = Buffer.alloc(SKB_BYTES)
  skb.writeBigUInt64LE(netnsCookie, CB_OFFSET)
  return program.run(skb, packet) !== 0
}
