import type { UndoStack } from '../../system/undo-stack.ts'
import type { PodNetwork } from '../network.ts'

/** The ways to lead traffic through the sidecars. */
export const redirects = ['iptables-nft', 'iptables-legacy', 'nft', 'tproxy'] as const

export type Redirect = (typeof redirects)[number]

/** The rules of a mesh in one tool's format. */
export interface RuleSet {
  /** Whether inbound connections keep their addresses: then the proxy needs IP_TRANSPARENT. */
  readonly transparent: boolean
  /** Installs the rules in a pod until the stack ends. */
  install(stack: UndoStack, pod: PodNetwork): void
  /** The number of connections that the rules have sent to a port of the proxy. */
  ledTo(port: number, pod: PodNetwork): number
}
