import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { findPlaces } from '../../../../src/cli/advise/places.ts'
import { FakeKubeApi } from '../../../helpers/fake-kube-api.ts'

const deployed = {
  metadata: {
    namespace: 'bank',
    name: 'ledger-7d9f-x2k4z',
    labels: { app: 'ledger', 'pod-template-hash': '7d9f' },
    ownerReferences: [{ name: 'ledger-7d9f', controller: true }],
  },
  spec: { nodeName: 'node-2' },
  status: { podIPs: [{ ip: '10.1.0.7' }, { ip: 'fd00::7' }] },
}
const single = { metadata: { namespace: 'shop', name: 'cart-0' }, spec: {}, status: {} }
const ofNode = { ...deployed, spec: { nodeName: 'node-2', hostNetwork: true } }

void test('a few requests for single pods tell where they are', async (t) => {
  await using api = await FakeKubeApi.start()
  const asked: string[] = []
  const answers: Record<string, readonly object[]> = {
    'status.podIP=10.1.0.7': [deployed],
    'status.podIP=192.168.0.2': [ofNode],
    'status.podIP=192.168.0.3': [deployed, single],
    'metadata.name=cart-0': [single],
  }
  api.route = ({ url }) => {
    const selector = url.searchParams.get('fieldSelector') ?? ''
    asked.push(`${url.pathname} ${selector}`)
    return { status: 200, body: { items: answers[selector] ?? [] } }
  }
  const KUBECONFIG = join(t.testdir(), 'kubeconfig')
  const cluster = { name: 'c', cluster: { server: api.url, 'insecure-skip-tls-verify': true } }
  const context = { name: 'x', context: { cluster: 'c', user: 'u' } }
  writeFileSync(
    KUBECONFIG,
    JSON.stringify({
      clusters: [cluster],
      contexts: [context],
      users: [{ name: 'u', user: { token: 't' } }],
      'current-context': 'x',
    }),
  )
  const addresses = ['10.1.0.7', '192.168.0.2', '192.168.0.3', '10.1.0.7', '10.9.9.9']
  const { places, error } = await findPlaces(addresses, ['shop/cart-0', 'shop/gone'], {
    KUBECONFIG,
  })
  t.equal(error, undefined)
  t.strictSame(
    [...places.byAddress],
    [
      [
        '10.1.0.7',
        {
          namespace: 'bank',
          name: 'ledger-7d9f-x2k4z',
          node: 'node-2',
          ips: ['10.1.0.7', 'fd00::7'],
          labels: { app: 'ledger', 'pod-template-hash': '7d9f' },
          workload: 'ledger',
        },
      ],
    ],
    'neither a node nor an address of several pods is a pod',
  )
  t.match([...places.byPod], [['shop/cart-0', { workload: 'cart-0', node: undefined }]])
  t.equal(asked.length, 6, 'each is asked for once')
  t.ok(asked.includes('/api/v1/namespaces/shop/pods metadata.name=gone'))

  const many = Array.from({ length: 100 }, (_, index) => `10.2.0.${index}`)
  await findPlaces(many, [], { KUBECONFIG })
  t.equal(asked.length, 26, 'at most twenty')

  api.route = () => ({ status: 403, body: { message: 'not you' } })
  const refused = await findPlaces(['10.1.0.7'], [], { KUBECONFIG })
  t.match(refused, { error: /find the pod at 10\.1\.0\.7: .*forbids it/ })
  t.equal(refused.places.byAddress.size, 0)
})

void test('without a kubeconfig it says so, and without a question it asks nothing', async (t) => {
  t.match(await findPlaces(['10.1.0.7'], [], { HOME: t.testdir() }), { error: /kubeconfig/ })
  t.match(await findPlaces([], [], {}), { error: undefined })
})
