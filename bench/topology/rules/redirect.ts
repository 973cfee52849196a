import type { UndoStack } from '../../system/undo-stack.ts'
import type { PodNetwork } from '../network.ts'

/** The ways in which traffic is led through the sidecars. */
export const redirects = ['iptables-nft', 'iptables-legacy', 'nft', 'tproxy'] as const

export type Redirect = (typeof redirects)[number]

/** The rules of a mesh, as one tool writes them. */
export interface RuleSet {
  /** The inbound proxy takes connections that keep their addresses: it needs IP_TRANSPARENT. */
  readonly transparent: boolean
  /** Puts them into a pod for as long as the stack lives. */
  install(stack: UndoStack, pod: PodNetwork): void
  /** How many connections they have led to a port of the proxy. */
  ledTo(port: number, pod: PodNetwork): number
}
