import { readlinkSync } from 'node:fs'
import { test } from 'tap'
import type { FlowView } from '../../../src/api/views.ts'
import { tally } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

const CONNECTIONS = 4
const [appPort, outbound, inbound] = [7000, 15_001, 15_008]

const isFast = ({ state, directions }: FlowView): boolean =>
  state === 'joined' && directions.every(({ path }) => path === 'redirect')

interface Ready {
  readonly event: string
  readonly netns: string
}

void test("a proxy of the node that opens its sockets in the pods' namespaces", async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { name: 'ambient' })
  const [cart, stock] = [mesh.pod(0), mesh.pod(1)]
  const agent = await mesh.startAgent()
  // Like istio-cni: the rules send the application's connections to ztunnel's socket beside it.
  const redirect = `-t nat -A OUTPUT -p tcp --dport ${appPort} -j REDIRECT --to-ports ${outbound}`
  cart.exec('iptables', ...redirect.split(' '))

  const options = { address: stock.address, port: appPort }
  await using serving = await Traffic.start(stock, 'server', options)
  const proxies = [
    [cart.netns, outbound, cart.netns, stock.address, inbound],
    [stock.netns, inbound, stock.netns, stock.address, appPort],
  ]
  await using first = mesh.runOnNode<Ready>('ztunnel', (proxies[0] ?? []).map(String))
  await using second = mesh.runOnNode<Ready>('ztunnel', (proxies[1] ?? []).map(String))
  for (const proxy of [first, second])
    t.equal((await proxy.take('ready')).netns, readlinkSync('/proc/self/ns/net'), 'on the node')
  await using calling = await Traffic.start(cart, 'client', {
    ...options,
    connections: CONNECTIONS,
  })

  const all = 3 * CONNECTIONS
  let flows: FlowView[] = []
  await until(
    'all three hops of each call are fast',
    async () => {
      flows = await agent.flows()
      return flows.filter(isFast).length === all
    },
    { attempts: 600 },
  ).catch(async () => {
    const { reasons } = await agent.status()
    const counted = Object.entries(reasons).filter(([, count]) => count > 0)
    throw new Error(`${tally(flows)}; ${counted.join(' ')}`)
  })
  const hops = flows.map(({ client, server }) => `${client?.pod} > ${server?.pod}`)
  for (const hop of ['pod-1 > shop/pod-1', 'pod-1 > shop/pod-2', 'pod-2 > shop/pod-2'])
    t.equal(hops.filter((each) => each === `shop/${hop}`).length, CONNECTIONS, hop)

  // In each pod the application holds one end of a call, and the proxy two.
  const { readers } = await agent.client.call('Readers', {})
  for (const { name } of mesh.pods) {
    const proxy = readers.find((one) => one.name === name && one.program.endsWith('/ztunnel'))
    t.equal(proxy?.connections.proven, 2 * CONNECTIONS, `the proxy in ${name}`)
  }
  const { pods } = await agent.client.call('Pods', {})
  t.match(pods, [
    { mesh: 'ambient', enrolled: true },
    { mesh: 'ambient', enrolled: true },
  ])
  mesh.enable(stock, false)
  await until('nothing that touches the other pod is fast', async () =>
    (await agent.flows()).every((flow) => !isFast(flow) || flow.server?.pod === 'shop/pod-1'),
  )
  t.match(await calling.end(), { finished: CONNECTIONS, failed: 0, error: '' })
  t.match(await serving.end(), { finished: CONNECTIONS, failed: 0, error: '' })
})
