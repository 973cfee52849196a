import { test } from 'tap'
import { parse } from 'yaml'
import {
  affinityYaml,
  nowhere,
  peersElsewhere,
  type PodPlace,
  spreadPairs,
} from '../../../../src/cli/advise/spread.ts'
import type { PeerView } from '../../../../src/api/views.ts'
import { sampleReport } from '../../../helpers/sample-advice.ts'

const place = (
  key: string,
  node: string,
  labels: Readonly<Record<string, string>>,
  workload: string,
): PodPlace => {
  const [namespace = '', name = ''] = key.split('/')
  return { namespace, name, node, ips: [], labels, workload }
}

const peers = peersElsewhere(sampleReport.namespaces)
const byPod = new Map([
  ['shop/cart', place('shop/cart', 'node-1', { app: 'cart' }, 'cart')],
  ['shop/stock', place('shop/stock', 'node-1', { app: 'stock', v: '2' }, 'stock')],
])
const byAddress = new Map([
  ['10.1.0.7', place('bank/ledger-1', 'node-2', { 'app.kubernetes.io/name': 'ledger' }, 'ledger')],
  ['10.1.0.8', place('shop/web-1', 'node-3', { app: 'web' }, 'web')],
])

void test('only peers that are elsewhere count', async (t) => {
  t.strictSame(
    peers.map(({ address }) => address),
    ['10.1.0.8', '10.1.0.7'],
  )
  const [some] = sampleReport.namespaces
  const [peer] = some?.peers ?? []
  if (!some || !peer) throw new Error('the sample has peers')
  const { peer: _, reason: __, ...unknown } = peer
  const at = (address: string): PeerView => ({ ...unknown, address })
  const local = ['127.0.0.6', '::1', '169.254.169.254', 'fe80::1'].map(at)
  t.strictSame(peersElsewhere([{ ...some, peers: [...local, at('10.5.0.1')] }]), [at('10.5.0.1')])
})

void test('pairs of services, with the labels of the server for the client', async (t) => {
  t.strictSame(spreadPairs(peers, { byAddress, byPod }, 10_000), [
    {
      client: 'shop/web',
      server: 'shop/stock',
      port: 80,
      connections: 1,
      bytesPerSecond: 900,
      nodes: ['node-3'],
      affinity: { labels: { app: 'stock' } },
    },
    {
      client: 'shop/cart',
      server: 'bank/ledger',
      port: 8080,
      connections: 1,
      bytesPerSecond: 500,
      nodes: ['node-2'],
      affinity: { namespace: 'bank', labels: { 'app.kubernetes.io/name': 'ledger' } },
    },
  ])
})

void test('pods of one service add up', async (t) => {
  const [peer] = peers
  if (!peer) throw new Error('the sample has peers')
  const another = { ...peer, address: '10.1.0.9', bytes: 1_000n, connections: 3 }
  const places = new Map([
    ...byAddress,
    ['10.1.0.9', place('shop/web-2', 'node-2', { app: 'web' }, 'web')] as const,
  ])
  t.match(spreadPairs([peer, another], { byAddress: places, byPod }, 10_000), [
    { client: 'shop/web', connections: 4, bytesPerSecond: 1_000, nodes: ['node-2', 'node-3'] },
  ])
})

void test('what the API server does not tell stays an address, without a hint', async (t) => {
  const pairs = spreadPairs(peers, nowhere, 10_000)
  t.match(pairs, [
    { client: '10.1.0.8', server: 'shop/stock', nodes: [], affinity: undefined },
    { client: 'shop/cart', server: '10.1.0.7', nodes: [], affinity: undefined },
  ])
  const unlabelled = new Map([
    ['10.1.0.7', place('bank/x', 'node-2', { 'pod-template-hash': '7' }, 'x')],
  ])
  t.notOk(spreadPairs(peers, { byAddress: unlabelled, byPod }, 1).some(({ affinity }) => affinity))
})

void test('the hint is YAML, whatever the labels are', async (t) => {
  const labels = { 'app.kubernetes.io/name': 'true', 'a: b': '1\n# "x"' }
  const hint: unknown = parse(affinityYaml({ namespace: 'bank', labels }).join('\n'))
  t.strictSame(hint, {
    affinity: {
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              topologyKey: 'kubernetes.io/hostname',
              namespaces: ['bank'],
              labelSelector: { matchLabels: labels },
            },
          },
        ],
      },
    },
  })
})
