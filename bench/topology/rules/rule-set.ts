import { MeshaccelError } from '../../../src/errors.ts'
import type { UndoStack } from '../../undo-stack.ts'
import type { Mesh, MeshName } from '../mesh.ts'
import type { PodNetwork } from '../network.ts'
import { iptablesRules, works } from './iptables.ts'
import { istioNft, istioRedirect, istioTproxy } from './istio.ts'
import { linkerdRedirect } from './linkerd.ts'
import { nftRules } from './nft.ts'

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

/** The ways that a mesh knows itself. */
export const redirectsOf: Readonly<Record<MeshName, readonly Redirect[]>> = {
  istio: redirects,
  linkerd: ['iptables-nft', 'iptables-legacy'],
}

/** The iptables of this machine that works: some kernels have no nftables. */
export const usualRedirect = (): Redirect =>
  works('iptables-nft') ? 'iptables-nft' : 'iptables-legacy'

export function ruleSet(mesh: Mesh, redirect: Redirect): RuleSet {
  if (redirect === 'nft') return nftRules(istioNft)
  if (redirect === 'tproxy') {
    return iptablesRules(usualRedirect(), istioTproxy, { mark: 1337, table: 133 })
  }
  return iptablesRules(redirect, mesh.name === 'istio' ? istioRedirect : linkerdRedirect)
}

/** Throws when traffic that should have gone through both sidecars went past one. */
export function assertCrossed(
  rules: RuleSet,
  mesh: Mesh,
  client: PodNetwork,
  server: PodNetwork,
): void {
  const outbound = rules.ledTo(mesh.outboundPort, client)
  const inbound = rules.ledTo(mesh.inboundPort, server)
  if (outbound > 0 && inbound > 0) return
  throw new MeshaccelError(
    `the rules led ${outbound} connections to the outbound sidecar and ${inbound} to the inbound one`,
    { code: 'PAST_THE_SIDECARS', operation: 'lead the requests through both sidecars' },
  )
}
