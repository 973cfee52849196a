import type { IterLink } from 'libbpf'
import { withNetnsOf } from '../netns/finder.ts'
import type { Programs } from '../pins/programs.ts'

/** struct __sk_buff; the program uses its cb alone. */
const SKB_BYTES = 192
const CB_OFFSET = 48
/** Long enough for the Ethernet header that the kernel requires. */
const packet = new Uint8Array(64)

type Visits = Pick<Programs, 'visit' | 'visitAll'>

/**
 * Has the wanted ends in the pods' network namespaces join. Takes no lock that a process of a pod can hold. Returns
 * whether a connection waits for its other end, so that the next scan should run at once.
 */
export function visit(
  programs: Visits,
  netnsCookies: readonly bigint[],
  netnsPaths: ReadonlyMap<bigint, string>,
): boolean {
  if (programs.visitAll) return visitAll(programs.visitAll)
  let atOnce = false
  for (const cookie of netnsCookies) {
    // A pod's namespace ends with the pod, before the agent learns of it.
    if (withNetnsOf(cookie, netnsPaths, () => visitHere(programs, cookie))) atOnce = true
  }
  return atOnce
}

/** Like `visit`, for the network namespace of the calling thread. */
export function visitHere(programs: Visits, netnsCookie: bigint): boolean {
  if (programs.visitAll) return visitAll(programs.visitAll)
  const skb = Buffer.alloc(SKB_BYTES)
  skb.writeBigUInt64LE(netnsCookie, CB_OFFSET)
  return programs.visit !== undefined && programs.visit.run(skb, packet) !== 0
}

/** Any output means that a connection waits for its other end. */
function visitAll(link: IterLink): boolean {
  return link.iterate().length > 0
}
