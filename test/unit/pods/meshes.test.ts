import { test } from 'tap'
import { istioNft, istioRedirect, istioTproxy } from '../../../bench/topology/rules/istio.ts'
import { linkerdRedirect } from '../../../bench/topology/rules/linkerd.ts'
import { proxyOf, type Mesh, sidecarMeshes } from '../../../src/pods/meshes.ts'

void test('each mesh tells its proxy from the application', async (t) => {
  const meshes: readonly Mesh[] = ['istio', 'linkerd', 'kuma', 'consul', 'ambient']
  for (const mesh of meshes) {
    const { proxyUid, proxyGid } = proxyOf(mesh)
    t.ok(proxyUid > 0 || proxyGid !== undefined, mesh)
  }
})

/** The numbers that follow a word in the text of a mesh's rules. */
const numbersAfter = (words: RegExp, rules: string): Set<number> =>
  new Set([...rules.matchAll(words)].map(([, number]) => Number(number)))

void test("the bench's rules are of the same proxies", async (t) => {
  const owner = /--uid-owner (\d+)|skuid (?:!= )?(\d+)/g
  const port = /(?:--to-ports|--on-port|redirect to :?) ?(\d+)/g
  for (const [rules, mesh] of [
    [istioRedirect, 'istio'],
    [istioTproxy, 'istio'],
    [istioNft, 'istio'],
    [linkerdRedirect, 'linkerd'],
  ] as const) {
    const { proxy, inboundPort, outboundPort } = sidecarMeshes[mesh]
    const owners = [...rules.matchAll(owner)].map(([, iptables, nft]) => Number(iptables ?? nft))
    t.strictSame(new Set(owners), new Set([proxy.proxyUid]))
    t.strictSame(numbersAfter(port, rules), new Set([inboundPort, outboundPort]))
  }
})
