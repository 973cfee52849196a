import { MeshaccelError } from '../../../src/lib/errors.ts'
import type { Mesh, MeshName } from '../mesh.ts'
import type { PodNetwork } from '../network.ts'
import { iptablesRules, works } from './iptables.ts'
import { istioNft, istioRedirect, istioTproxy } from './istio.ts'
import { linkerdRedirect } from './linkerd.ts'
import { nftRules } from './nft.ts'
import { type Redirect, redirects, type RuleSet } from './redirect.ts'

/** The ways that each mesh supports. */
export const redirectsOf: Readonly<Record<MeshName, readonly Redirect[]>> = {
  istio: redirects,
  linkerd: ['iptables-nft', 'iptables-legacy'],
}

/** The variant of iptables that works on this machine: some kernels have no nftables. */
export const usualRedirect = (): Redirect =>
  works('iptables-nft') ? 'iptables-nft' : 'iptables-legacy'

export function ruleSet(mesh: Mesh, redirect: Redirect): RuleSet {
  if (redirect === 'nft') return nftRules(istioNft)
  if (redirect === 'tproxy') {
    return iptablesRules(usualRedirect(), istioTproxy, { mark: 1337, table: 133 })
  }
  return iptablesRules(redirect, mesh.name === 'istio' ? istioRedirect : linkerdRedirect)
}

/** Throws if traffic has bypassed one of the two sidecars. */
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
