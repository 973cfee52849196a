import { Client, credentials } from '@grpc/grpc-js'
import { service } from 'grpc-health-check'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { FakeKubeApi } from '../../helpers/fake-kube-api.ts'
import { FakeRuntime } from '../../helpers/fake-runtime.ts'
import { kubeNamespace, kubePod, node } from '../../helpers/kube-objects.ts'
import { until } from '../../helpers/retry.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'

/** An agent with a kubeconfig of its own, an API server and a container runtime. */
class KubernetesAgent extends RunningAgent {
  readonly api: FakeKubeApi
  readonly runtime: FakeRuntime

  private constructor(api: FakeKubeApi, runtime: FakeRuntime) {
    super()
    this.api = api
    this.runtime = runtime
  }

  static async create(t: Test): Promise<KubernetesAgent> {
    const runtime = new FakeRuntime()
    await runtime.start()
    const agent = new KubernetesAgent(await FakeKubeApi.start(), runtime)
    const path = join(agent.directory, 'kubeconfig')
    writeFileSync(path, agent.api.config.exportConfig())
    const before = process.env['KUBECONFIG']
    process.env['KUBECONFIG'] = path
    t.teardown(() => {
      if (before === undefined) delete process.env['KUBECONFIG']
      else process.env['KUBECONFIG'] = before
    })
    return agent
  }

  follow(): Promise<void> {
    const kubernetes = [
      '--pods',
      'kubernetes',
      '--node',
      node,
      '--cri',
      `unix://${this.runtime.socket}`,
    ]
    return this.start(...kubernetes, '--metrics', '127.0.0.1:0')
  }

  async get(path: string): Promise<string> {
    const port = /"port":(\d+),"msg":"serves probes and metrics"/.exec(this.stderr)?.[1]
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return `${response.status} ${await response.text()}`
  }

  async status(): Promise<unknown> {
    return JSON.parse((await this.run('status', '-o', 'json')).stdout)
  }

  health(name: string): Promise<unknown> {
    const client = new Client(`unix:${this.socket}`, credentials.createInsecure())
    const check = service['Check']
    if (!check) throw new Error('no Check')
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        check.path,
        check.requestSerialize,
        check.responseDeserialize,
        { service: name },
        (error, response) => {
          client.close()
          if (error) reject(error)
          else resolve(response)
        },
      )
    })
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    await this.api.down()
    await this.runtime.stop()
  }
}

void test('is ready once it is in step with its pods, and takes nothing away before', async (t) => {
  await using agent = await KubernetesAgent.create(t)
  const { api, runtime, datapath } = agent
  api.set('namespaces', kubeNamespace('shop', 'true'))
  api.set('pods', kubePod('shop/cart', { ip: '10.0.0.7' }))
  api.set('pods', kubePod('shop/plain', { ip: '10.0.0.8', sidecar: false }))
  runtime.sandboxes = [{ id: 's7', uid: 'uid-cart', info: { pid: 7 } }]
  api.failures.set('/api/v1/pods', { status: 403, message: 'pods is forbidden' })
  // From an earlier agent.
  datapath.pods.set(7n, undefined)
  datapath.pods.set(99n, undefined)
  await agent.follow()
  await agent.said('API server forbids it')

  t.equal(await agent.get('/healthz'), '200 ok\n')
  t.match(await agent.get('/readyz'), /^503 list pods: the API server forbids it \(403\)/)
  t.match(await agent.get('/none'), /^404 /)
  t.match(await agent.status(), {
    source: { name: 'kubernetes', synced: false, error: /pods is forbidden/ },
  })
  t.match(await agent.health(''), { status: 'NOT_SERVING' })
  t.strictSame(datapath.calls, [])

  api.failures.clear()
  await agent.said('"in step with its pods"')
  t.equal(await agent.get('/readyz'), '200 ok\n')
  t.match(await agent.health('meshaccel.v1.Control'), { status: 'SERVING' })
  t.strictSame(datapath.calls, ['withdraw 99', 'enrol 7'])
  const { pods } = JSON.parse((await agent.run('pods', '-o', 'json')).stdout)
  t.match(pods, [
    { name: 'cart', uid: 'uid-cart', mesh: 'istio', enrolled: true, ips: ['10.0.0.7'] },
    { name: 'plain', enrolled: false, reason: 'no-mesh', ips: ['10.0.0.8'] },
  ])

  api.set('namespaces', kubeNamespace('shop', 'false'))
  await until('the edit', () => datapath.pods.size === 0)
})

void test('rules to keep connections on TCP follow their annotations', async (t) => {
  await using agent = await KubernetesAgent.create(t)
  const { api, runtime, datapath } = agent
  const annotate = (annotations: Record<string, string>): void =>
    api.set('pods', kubePod('shop/cart', { ip: '10.0.0.7', annotations }))
  api.set('namespaces', kubeNamespace('shop', 'true'))
  annotate({ 'meshaccel.io/exclude-ports': '22,8000-8999' })
  runtime.sandboxes = [{ id: 's7', uid: 'uid-cart', info: { pid: 7 } }]
  await agent.follow()
  await agent.said('"in step with its pods"')
  // On a busy machine the runtime may answer too late the first time.
  await until('it is enrolled', () => datapath.pods.has(7n))
  t.match(datapath.pods.get(7n)?.exclusions, {
    ports: [
      { from: 22, to: 22 },
      { from: 8000, to: 8999 },
    ],
    cidrs: [],
    uids: [],
  })
  annotate({ 'meshaccel.io/exclude-cidrs': '10.0.0.0/8' })
  await until('the edit', () => datapath.pods.get(7n)?.exclusions?.cidrs.length === 1)
  t.strictSame(datapath.calls, ['enrol 7', 'enrol 7'], 'it is enrolled all the time')

  annotate({ 'meshaccel.io/exclude-cidrs': 'cart.shop' })
  await until('nothing is accelerated', () => datapath.pods.size === 0)
  await until('it is told', () => api.events.length === 1)
  const pods = await agent.run('pods', '-o', 'json')
  t.match(JSON.parse(pods.stdout), { pods: [{ enrolled: false, reason: 'exclusions-invalid' }] })

  annotate({})
  await until('it is enrolled again', () => datapath.pods.has(7n))
  t.equal(datapath.pods.get(7n)?.exclusions, undefined)

  api.set('namespaces', kubeNamespace('shop', 'true', { 'meshaccel.io/exclude-uids': '5' }))
  await until('its namespace counts', () => datapath.pods.get(7n)?.exclusions?.uids.length === 1)
  api.set('namespaces', kubeNamespace('shop', 'true', { 'meshaccel.io/exclude-uid': '5' }))
  await until('a misspelt key keeps it out', () => datapath.pods.size === 0)
})

/** The plugin's message at ADD: cni/shim/agent.h. */
function addMessage(pod: string, uid: string, netns: string): string {
  const variables = [
    'meshaccel-cni/1',
    'CNI_COMMAND=ADD',
    `CNI_CONTAINERID=${pod}-1`,
    `CNI_NETNS=${netns}`,
    `CNI_ARGS=K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod};K8S_POD_UID=${uid}`,
  ]
  return `${variables.join('\0')}\0\0{}`
}

void test('a pod that the CNI plugin hands in is enrolled before the plugin is answered', async (t) => {
  await using agent = await KubernetesAgent.create(t)
  const { api, datapath } = agent
  api.set('namespaces', kubeNamespace('shop', 'true'))
  await agent.follow()
  await agent.said('"in step with its pods"')
  const plugin = connect(join(agent.directory, 'run', 'cni.sock'))
  // A namespace that exists. The fake data path gives it no cookie.
  plugin.end(addMessage('cart', 'uid-cart', '/proc/self/ns/net'))
  api.set('pods', kubePod('shop/cart'))
  const [answer]: Buffer[] = await once(plugin, 'data')
  t.equal(String(answer), 'done\n')
  const { pods } = JSON.parse((await agent.run('pods', '-o', 'json')).stdout)
  t.match(pods, [{ name: 'cart', reason: 'netns-gone' }], 'the namespace was looked up')
  t.strictSame(datapath.calls, [])
})

void test('stays ready when the API server goes away, and says so', async (t) => {
  await using agent = await KubernetesAgent.create(t)
  const { api, runtime, datapath } = agent
  api.set('namespaces', kubeNamespace('shop', 'true'))
  api.set('pods', kubePod('shop/cart', { ip: '10.0.0.7' }))
  runtime.sandboxes = [{ id: 's7', uid: 'uid-cart', info: { pid: 7 } }]
  await agent.follow()
  await agent.said('"in step with its pods"')
  await until('both are watched', () => api.watching === 2)
  await until('it is enrolled', () => datapath.pods.has(7n))
  await api.down()
  await agent.said('kubernetes: the last good one stays')
  t.match(await agent.get('/readyz'), /^200 ok, but watch (pods|namespaces) at http:/)
  t.match(await agent.status(), { source: { synced: true, error: /no connection/ } })
  t.strictSame([...datapath.enrolled()], [7n])
  await api.up()
  await agent.said('the API server answers again')
  await until('all is well', async () => (await agent.get('/readyz')) === '200 ok\n')
})

void test('waits for an API server that is not there yet, says so, and takes nothing away', async (t) => {
  await using agent = await KubernetesAgent.create(t)
  const { api, runtime, datapath } = agent
  api.set('namespaces', kubeNamespace('shop', 'true'))
  api.set('pods', kubePod('shop/cart', { ip: '10.0.0.7' }))
  runtime.sandboxes = [{ id: 's7', uid: 'uid-cart', info: { pid: 7 } }]
  datapath.pods.set(7n, undefined)
  await api.down()
  await agent.follow()
  await agent.said('not in step with its pods yet')
  t.match(agent.stderr, /the address in the kubeconfig is wrong; the agent keeps trying/)
  t.match(await agent.get('/readyz'), /^503 list (pods|namespaces) at http:.*: no connection/)
  t.match(await agent.status(), { source: { synced: false, error: /no connection/ } })
  await api.up()
  api.failures.set('/api/', { status: 200, message: '<html>Sign in</html>', raw: true })
  await agent.said('The server of the kubeconfig is no API server')
  t.match(await agent.get('/readyz'), /^503 list (pods|namespaces): the answer makes no sense/)
  t.strictSame(datapath.calls, [])
  api.failures.clear()
  await agent.said('"in step with its pods"')
  t.strictSame(datapath.calls, ['enrol 7'])
  t.equal(await agent.get('/readyz'), '200 ok\n')
})

void test('a kubeconfig that cannot be used ends it before the kernel is touched', async (t) => {
  await using agent = await KubernetesAgent.create(t)
  writeFileSync(join(agent.directory, 'kubeconfig'), 'clusters: []')
  await agent.follow()
  const result = await agent.result
  t.match(result, { code: 1, stderr: /read kubeconfig .*: it has no current-context\n {2}Run the/ })
  t.strictSame(agent.datapath.calls, [])
})

void test('a port that is taken ends it, and nothing is left running', async (t) => {
  await using agent = await KubernetesAgent.create(t)
  const taken = new URL(agent.api.url).host
  await agent.start('--metrics', taken)
  t.match(await agent.result, { code: 1, stderr: /serve HTTP at 127.0.0.1:\d+: .*EADDRINUSE/ })
  t.equal(agent.datapath.closed, 1)
})

void test('command lines that cannot be meant', async (t) => {
  await using agent = await KubernetesAgent.create(t)
  for (const [flags, message] of [
    [['--pods', 'kube'], /--pods must be kubernetes or file:PATH/],
    [['--pods', 'kubernetes', '--metrics', '9090'], /--metrics must be HOST:PORT/],
    [['--pods', 'kubernetes', '--metrics', 'x:99999'], /--metrics must be HOST:PORT/],
  ] as const) {
    t.match(await agent.run('agent', ...flags), { code: 2, stderr: message })
  }
})
