import { join } from 'node:path'
import { test, type Test } from 'tap'
import { ChainWatch } from '../../../../src/agent/chain.ts'
import { writeChainState } from '../../../../src/lib/cni-chain-state.ts'
import { createLog } from '../../../../src/lib/log.ts'
import type { NetnsRef, ObservedPod } from '../../../../src/pods/observed-pod.ts'
import { KubernetesSource } from '../../../../src/sources/kubernetes/source.ts'
import type { ListWatchTimes } from '../../../../src/sources/kubernetes/client/list-watch.ts'
import { FakeKubeApi } from '../../../helpers/fake-kube-api.ts'
import { kubeNamespace, kubePod, node } from '../../../helpers/kube-objects.ts'
import { until } from '../../../helpers/retry.ts'

/** A container runtime that knows only what the test sets. */
class FakeRuntime {
  readonly name = 'the fake runtime'
  readonly sandboxes = new Map<string, NetnsRef>()
  broken = false
  asked = 0

  async find(uids: ReadonlySet<string>): Promise<Map<string, NetnsRef>> {
    this.asked += 1
    if (this.broken) throw new Error('the runtime is down')
    return new Map([...this.sandboxes].filter(([uid]) => uids.has(uid)))
  }
}

const times: ListWatchTimes = {
  firstRetryMs: 5,
  longestRetryMs: 20,
  silenceMs: 60_000,
  watchMs: 600_000,
}

interface Running {
  readonly api: FakeKubeApi
  readonly runtime: FakeRuntime
  readonly source: KubernetesSource
  /** The last report; undefined before the first. */
  readonly told: () => readonly ObservedPod[] | undefined
  readonly errors: string[]
  /** Resolves once the last report passes the check. */
  readonly tells: (what: string, is: (pods: readonly ObservedPod[]) => boolean) => Promise<void>
  readonly start: () => void
}

async function running(t: Test, changed: Partial<ListWatchTimes> = {}): Promise<Running> {
  const api = await FakeKubeApi.start()
  const runtime = new FakeRuntime()
  const source = new KubernetesSource({
    config: api.config,
    node,
    finders: [runtime],
    log: createLog('silent'),
    times: { ...times, ...changed },
    searchTimes: { firstRetryMs: 5, longestRetryMs: 20, recheckMs: 60_000 },
    isNetns: (path) => path.startsWith('/netns/'),
  })
  t.teardown(async () => {
    source[Symbol.dispose]()
    await api.down()
  })
  let told: readonly ObservedPod[] | undefined
  const errors: string[] = []
  return {
    api,
    runtime,
    source,
    told: () => told,
    errors,
    tells: async (what, is) => {
      await until(what, () => told !== undefined && is(told), { pauseMs: 10, attempts: 3_000 })
    },
    start: () =>
      source.watch({
        pods: (pods) => void (told = pods),
        failed: (error) => errors.push(`${error.code} ${error.message} ${error.hint}`),
        recovered: () => errors.push('recovered'),
      }),
  }
}

const names = (pods: readonly ObservedPod[]): string => pods.map(({ name }) => name).join(' ')

void test('tells nothing before both lists, and the namespaces of the pods, are there', async (t) => {
  const { api, runtime, told, tells, start } = await running(t)
  api.set('namespaces', kubeNamespace('shop', 'true'))
  api.set('pods', kubePod('shop/cart', { ip: '10.0.0.1' }))
  api.set('pods', kubePod('shop/other', { node: 'node-2' }))
  runtime.sandboxes.set('uid-cart', { pid: 7 })
  api.failures.set('/api/v1/namespaces', { status: 500, message: 'etcd is down' })
  start()
  await until('the pods are watched', () => api.watching === 1)
  t.equal(told(), undefined)
  api.failures.clear()
  await tells('the pod', (pods) => pods.length === 1)
  t.strictSame(told(), [
    {
      namespace: 'shop',
      name: 'cart',
      uid: 'uid-cart',
      ips: ['10.0.0.1'],
      mesh: 'istio',
      proxyUid: 1337,
      proxy: 'sidecar as uid 1337; takes connections in at port 15006 and out at 15001',
      enabled: true,
      netns: { pid: 7 },
    },
  ])
})

void test('lists in pages, asks for the metadata of namespaces only, and says who it is', async (t) => {
  const { api, told, tells, start } = await running(t)
  for (let number = 0; number < 120; number += 1) api.set('pods', kubePod(`a/p${number}`))
  for (let number = 0; number < 5_000; number += 1)
    api.set('namespaces', kubeNamespace(`n${number}`))
  api.set('namespaces', kubeNamespace('a', 'true'))
  start()
  await tells('all pods', (pods) => pods.length === 120)
  t.ok(
    told()?.every(({ enabled }) => enabled),
    'the namespace of the last page counts',
  )
  const lists = api.requests.filter(({ url }) => !url.searchParams.has('watch'))
  const count = (path: string): number => lists.filter(({ url }) => url.pathname === path).length
  t.equal(count('/api/v1/pods'), 3)
  t.equal(count('/api/v1/namespaces'), 11)
  for (const { url, accept, authorization } of api.requests) {
    t.equal(authorization, 'Bearer secret')
    if (url.pathname !== '/api/v1/namespaces') continue
    t.match(accept, /^application\/json;as=PartialObjectMetadata(List)?;g=meta.k8s.io;v=v1$/)
  }
})

void test('an annotation of the namespace counts, and that of the pod counts more', async (t) => {
  const { api, told, tells, start } = await running(t)
  const enabled = (): unknown => told()?.map((pod) => pod.enabled)
  api.set('namespaces', kubeNamespace('a', 'false'))
  api.set('pods', kubePod('a/one'))
  api.set('pods', kubePod('a/two', { annotations: { 'meshaccel.io/enabled': 'true' } }))
  start()
  await tells('both', (pods) => pods.length === 2)
  t.strictSame(enabled(), [false, true])
  api.set('namespaces', kubeNamespace('a', 'true'))
  await tells('the edit', ([one]) => one?.enabled === true)
  api.set('namespaces', kubeNamespace('a'))
  await tells('the removal', ([one]) => one?.enabled === undefined)
  t.strictSame(enabled(), [undefined, true])
  api.set('pods', kubePod('a/two', { annotations: { 'meshaccel.io/enabled': 'false' } }))
  await tells('the edit of the pod', ([, two]) => two?.enabled === false)
})

void test('blocking readers: the namespace counts, and what the pod says counts more', async (t) => {
  const { api, told, tells, start } = await running(t)
  const key = 'meshaccel.io/blocking-readers'
  const choices = (): unknown => told()?.map((pod) => pod.blockingReaders)
  api.set('namespaces', kubeNamespace('a', undefined, { [key]: 'accelerate' }))
  api.set('pods', kubePod('a/one'))
  api.set('pods', kubePod('a/two', { annotations: { [key]: 'leave' } }))
  api.set('pods', kubePod('a/wrong', { annotations: { [key]: 'acelerate' } }))
  start()
  await tells('all', (pods) => pods.length === 3)
  t.strictSame(choices(), ['accelerate', 'leave', 'accelerate'])
  await until('the Event', () => api.events.length === 1)
  t.match(api.events, [
    {
      involvedObject: { kind: 'Pod', name: 'wrong' },
      message: /it is ignored; did you mean "accelerate"\?$/,
    },
  ])
  api.set('namespaces', kubeNamespace('a'))
  await tells('the removal', ([one]) => one?.blockingReaders === undefined)
  t.strictSame(choices(), [undefined, 'leave', undefined])
  api.set('pods', kubePod('a/two', { annotations: { [key]: 'accelerate' } }))
  await tells('the edit of the pod', ([, two]) => two?.blockingReaders === 'accelerate')
})

void test('the limit of the guard, and an Event in the namespace that it holds', async (t) => {
  const { api, source, told, tells, start } = await running(t)
  const key = 'meshaccel.io/guard'
  api.set('namespaces', kubeNamespace('a', undefined, { [key]: '10%' }))
  api.set('pods', kubePod('a/one'))
  api.set('pods', kubePod('a/two', { annotations: { [key]: 'off' } }))
  start()
  await tells('both', (pods) => pods.length === 2)
  t.strictSame(
    told()?.map((pod) => pod.guard),
    [10, 0],
  )
  source.warnOfNamespace('a', 'GuardTripped', 'its pods are on TCP')
  await until('the Event', () => api.events.length === 1)
  t.match(api.events, [
    {
      metadata: { namespace: 'a' },
      involvedObject: { kind: 'Namespace', name: 'a' },
      reason: 'GuardTripped',
      message: 'its pods are on TCP',
      type: 'Warning',
    },
  ])
})

void test('resumes a broken watch where it broke off', async (t) => {
  const { api, tells, start } = await running(t)
  api.set('pods', kubePod('a/one'))
  start()
  await tells('one', (pods) => names(pods) === 'one')
  await until('both are watched', () => api.watching === 2)
  api.bookmark()
  api.set('pods', kubePod('a/two'))
  await tells('two', (pods) => names(pods) === 'one two')
  const listed = api.requests.filter(({ url }) => !url.searchParams.has('watch')).length
  api.disconnect()
  api.set('pods', kubePod('a/three'))
  await tells('three', (pods) => names(pods) === 'one three two')
  t.equal(api.requests.filter(({ url }) => !url.searchParams.has('watch')).length, listed)
})

void test('lists anew after 410', async (t) => {
  const { api, tells, start } = await running(t)
  for (let number = 0; number < 60; number += 1) api.set('pods', kubePod(`a/p${number}`))
  start()
  await tells('all', (pods) => pods.length === 60)
  await until('both are watched', () => api.watching === 2)
  // No watch reports this change.
  api.held = []
  api.delete('pods', 'a/p0')
  api.set('pods', kubePod('a/new'))
  api.held = undefined
  api.compact()
  await tells('what was missed', (pods) => names(pods).startsWith('new p1 '))
})

void test('does not believe a watch that has gone silent', async (t) => {
  const { api, tells, start } = await running(t, { silenceMs: 100 })
  start()
  await tells('none', (pods) => pods.length === 0)
  api.held = []
  api.set('pods', kubePod('a/one'))
  await tells('what the watch kept to itself', (pods) => pods.length === 1)
})

void test('keeps what it knows while the API server is away, says so, and catches up', async (t) => {
  const { api, told, tells, errors, start } = await running(t)
  api.set('pods', kubePod('a/one'))
  start()
  await tells('one', (pods) => pods.length === 1)
  await until('both are watched', () => api.watching === 2)
  await api.down()
  await until('it says so', () => errors.some((error) => error.startsWith('API_UNREACHABLE')))
  api.set('pods', kubePod('a/two'))
  t.equal(names(told() ?? []), 'one')
  await api.up()
  await tells('both', (pods) => names(pods) === 'one two')
  await until('it says so', () => errors.includes('recovered'))
  const said = errors.filter((error) => error.startsWith('API_UNREACHABLE watch pods'))
  t.equal(new Set(said).size, said.length, 'the same is said once')
})

const refusals = [
  { status: 401, code: 'API_UNAUTHORIZED', hint: /token or certificate/ },
  { status: 403, code: 'API_FORBIDDEN', hint: /get, list and watch on pods and namespaces/ },
  { status: 404, code: 'API_TOO_OLD', hint: /Kubernetes 1.20 or newer/ },
]
for (const { status, code, hint } of refusals) {
  void test(`says once what ${status} means, and goes on when it is over`, async (t) => {
    const { api, told, tells, errors, start } = await running(t)
    api.failures.set('/api/v1/pods', { status, message: 'User "x" cannot list pods' })
    start()
    await until('it has tried again', () => api.requests.length > 6)
    t.equal(errors.length, 1)
    t.match(errors[0], new RegExp(`^${code} list pods: .*\\(${status}\\)`))
    t.match(errors[0], hint)
    t.equal(told(), undefined)
    api.failures.clear()
    await tells('nothing to tell', (pods) => pods.length === 0)
  })
}

void test('a server that knows no metadata only is said to be too old', async (t) => {
  const { api, errors, start } = await running(t)
  api.old = true
  start()
  await until('it says so', () => errors.length > 0)
  t.match(errors, [/^API_TOO_OLD list namespaces: .*\(406\)/])
})

void test('bad annotations become Events, once each, and of this node only', async (t) => {
  const { api, told, tells, start } = await running(t)
  api.set('namespaces', kubeNamespace('a', 'yes'))
  api.set('namespaces', kubeNamespace('elsewhere', 'yes'))
  api.set('pods', kubePod('a/one', { annotations: { 'meshaccel.io/exclude-ports': '80,http' } }))
  start()
  await until('the Events', () => api.events.length === 2)
  api.set('pods', kubePod('a/two'))
  await tells('another pod', (pods) => pods.length === 2)
  const ofNamespace = /namespace a: meshaccel\.io\/enabled must be .*did you mean "true"\?$/
  t.match(told(), [{ exclusions: 'invalid', problem: /"http" is not/ }, { problem: ofNamespace }])
  t.match(told()?.[0]?.problem, ofNamespace)
  t.strictSame(
    api.events.map(({ involvedObject: { kind, namespace, name }, type, reason, message }) => [
      `${kind} ${namespace}/${name} ${type} ${reason}`,
      message,
    ]),
    [
      [
        'Pod a/one Warning BadAnnotation',
        'meshaccel.io/exclude-ports: "http" is not a port or a range of ports: the pod is not accelerated',
      ],
      [
        'Namespace a/a Warning BadAnnotation',
        'meshaccel.io/enabled must be "true" or "false", not "yes": it is ignored; did you mean "true"?',
      ],
    ],
  )
})

const ports = (...numbers: number[]): object[] => numbers.map((from) => ({ from, to: from }))

void test("a namespace's exclusions work as its pods', and both hold", async (t) => {
  const { api, told, tells, start } = await running(t)
  const rules = { 'meshaccel.io/exclude-ports': '22', 'meshaccel.io/exclude-cidrs': '10.0.0.0/8' }
  const own = { 'meshaccel.io/exclude-ports': '22, 80', 'meshaccel.io/exclude-uids': '5' }
  api.set('namespaces', kubeNamespace('a', 'true', rules))
  api.set('pods', kubePod('a/one'))
  api.set('pods', kubePod('a/two', { annotations: own }))
  start()
  await tells('both', (pods) => pods.length === 2)
  t.match(told(), [
    { exclusions: { ports: ports(22), cidrs: ['10.0.0.0/8'], uids: [] } },
    { exclusions: { ports: ports(22, 80), cidrs: ['10.0.0.0/8'], uids: [5] } },
  ])
  api.set('namespaces', kubeNamespace('a', 'true'))
  await tells('the edit', ([one]) => one?.exclusions === undefined)
  t.match(told()?.[1], { exclusions: { ports: ports(22, 80), cidrs: [], uids: [5] } })
})

const many = (first: number): string => Array.from({ length: 20 }, (_, i) => first + i).join()

void test('exclusions that cannot be understood keep the pods out, wherever they stand', async (t) => {
  const { api, told, tells, start } = await running(t)
  const uids = 'meshaccel.io/exclude-uids'
  const annotations: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    unreadable: { 'meshaccel.io/exclude-ports': 'http' },
    misspelt: { 'meshaccel.io/exclude-ip': '10.0.0.1' },
    many: { [uids]: many(1) },
    unknown: { 'meshaccel.io/enable': 'true' },
  }
  for (const [name, ofNamespace] of Object.entries(annotations)) {
    api.set('namespaces', kubeNamespace(name, 'true', ofNamespace))
    api.set('pods', kubePod(`${name}/one`, { annotations: { [uids]: many(101) } }))
  }
  api.set('pods', kubePod('z/own', { annotations: { 'meshaccel.io/exclude-port': '80' } }))
  start()
  await tells('all', (pods) => pods.length === 5)
  const problems = {
    many: `${uids}: there are more than 32 together with its namespace's: the pod is not accelerated`,
    misspelt:
      'the annotation meshaccel.io/exclude-ip is unknown: its pods are not accelerated; ' +
      'did you mean meshaccel.io/exclude-cidrs?',
    unknown:
      'the annotation meshaccel.io/enable is unknown: its pods are not accelerated; ' +
      'did you mean meshaccel.io/enabled?',
    unreadable:
      'meshaccel.io/exclude-ports: "http" is not a port or a range of ports: its pods are not accelerated',
    own:
      'the annotation meshaccel.io/exclude-port is unknown: the pod is not accelerated; ' +
      'did you mean meshaccel.io/exclude-ports?',
  }
  const invalid = { exclusions: 'invalid' }
  t.match(told(), [
    { namespace: 'many', ...invalid, problem: problems.many },
    { namespace: 'misspelt', ...invalid, problem: `namespace misspelt: ${problems.misspelt}` },
    {
      namespace: 'unknown',
      unknownAnnotation: true,
      problem: `namespace unknown: ${problems.unknown}`,
    },
    {
      namespace: 'unreadable',
      ...invalid,
      problem: `namespace unreadable: ${problems.unreadable}`,
    },
    { namespace: 'z', ...invalid, problem: problems.own },
  ])
  await until('the Events', () => api.events.length === 5)
  const events = api.events.map(
    ({ involvedObject: { kind, namespace }, message }) => `${kind} of ${namespace}: ${message}`,
  )
  t.strictSame(
    new Set(events),
    new Set([
      `Pod of many: ${problems.many}`,
      `Namespace of misspelt: ${problems.misspelt}`,
      `Namespace of unknown: ${problems.unknown}`,
      `Namespace of unreadable: ${problems.unreadable}`,
      `Pod of z: ${problems.own}`,
    ]),
  )
})

void test('a sandbox that is made anew is found by the new address', async (t) => {
  const { api, runtime, tells, start } = await running(t)
  api.set('pods', kubePod('a/one', { ip: '10.0.0.1' }))
  runtime.sandboxes.set('uid-one', { pid: 1 })
  start()
  await tells('the first', ([pod]) => pod?.netns !== undefined)
  runtime.sandboxes.set('uid-one', { pid: 2 })
  api.set('pods', kubePod('a/one', { ip: '10.0.0.2' }))
  await tells('the second', ([pod]) => JSON.stringify(pod?.netns) === '{"pid":2}')
  // A pod with the same name, as in a StatefulSet. Its sandbox comes after it.
  api.delete('pods', 'a/one')
  api.set('pods', kubePod('a/one', { uid: 'uid-next', ip: '10.0.0.2' }))
  await tells('none', ([pod]) => pod?.uid === 'uid-next' && pod.netns === undefined)
  runtime.sandboxes.set('uid-next', { pid: 3 })
  await tells('the third', ([pod]) => JSON.stringify(pod?.netns) === '{"pid":3}')
})

void test('what the CNI plugin announces comes first, and the pod waits until it was acted upon', async (t) => {
  const { api, runtime, source, told, tells, start } = await running(t)
  start()
  await tells('none', (pods) => pods.length === 0)
  const sandbox = { namespace: 'a', name: 'one', uid: 'uid-one', containerId: 'c1' }
  let isDone = false
  const done = source.announce({ ...sandbox, netnsPath: '/netns/1' }).then(() => (isDone = true))
  runtime.sandboxes.set('uid-one', { pid: 1 })
  api.set('pods', kubePod('a/another'))
  // It has the same name, and is gone when the announced one comes.
  api.set('pods', kubePod('a/one', { uid: 'uid-before' }))
  await tells('others', (pods) => pods.length === 2)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(isDone, false)
  api.delete('pods', 'a/another')
  api.delete('pods', 'a/one')
  api.set('pods', kubePod('a/one'))
  await done
  t.match(told(), [{ netns: { path: '/netns/1' } }])
  source.forget((containerId) => containerId === 'other')
  source.forget((containerId) => containerId === 'c1')
  await tells('the runtime', ([pod]) => JSON.stringify(pod?.netns) === '{"pid":1}')
  const unreachable = { ...sandbox, containerId: 'c2', netnsPath: '/elsewhere/1' }
  await source.announce(unreachable)
  t.match(told(), [{ netns: { pid: 1 } }], 'a path that cannot be used from here is not')
})

void test('the runtime is asked for pods that have an address, and at the start for all', async (t) => {
  const { api, runtime, told, tells, start } = await running(t)
  api.set('pods', kubePod('a/before'))
  runtime.sandboxes.set('uid-before', { pid: 1 })
  start()
  await tells('the one before', ([pod]) => pod?.netns !== undefined)
  const { asked } = runtime
  runtime.sandboxes.set('uid-next', { pid: 2 })
  api.set('pods', kubePod('a/next'))
  await tells('the next', (pods) => pods.length === 2)
  api.set('pods', kubePod('a/next', { annotations: { 'meshaccel.io/enabled': 'true' } }))
  await tells('its edit', ([, next]) => next?.enabled === true)
  t.equal(told()?.[1]?.netns, undefined)
  t.equal(runtime.asked, asked)
  api.set('pods', kubePod('a/next', { ip: '10.0.0.2' }))
  await tells('its namespace', ([, next]) => JSON.stringify(next?.netns) === '{"pid":2}')
})

void test('a pod that stays the same is told as the same object', async (t) => {
  const { api, source, told, tells, start } = await running(t)
  api.set('namespaces', kubeNamespace('a', 'true'))
  api.set('pods', kubePod('a/one', { ip: '10.0.0.1' }))
  start()
  await tells('one', (pods) => pods.length === 1)
  void source.announce({ namespace: 'a', name: 'one', containerId: 'c1', netnsPath: '/netns/1' })
  await tells('its namespace', ([pod]) => pod?.netns !== undefined)
  const one = told()?.[0]
  // A list creates new objects. An event for another pod does not.
  api.compact()
  api.set('pods', kubePod('a/two', { ip: '10.0.0.2' }))
  await tells('two', (pods) => pods.length === 2)
  t.equal(told()?.[0], one)

  api.set('namespaces', kubeNamespace('a', 'false'))
  await tells('its namespace has changed', ([pod]) => pod?.enabled === false)
  void source.announce({ namespace: 'a', name: 'one', containerId: 'c2', netnsPath: '/netns/2' })
  await tells('its sandbox, too', ([pod]) => JSON.stringify(pod?.netns) === '{"path":"/netns/2"}')
})

void test('a runtime that is down takes no namespace away', async (t) => {
  const { api, runtime, told, tells, start } = await running(t)
  api.set('pods', kubePod('a/one', { ip: '10.0.0.1' }))
  runtime.sandboxes.set('uid-one', { pid: 1 })
  start()
  await tells('one', ([pod]) => pod?.netns !== undefined)
  runtime.broken = true
  const { asked } = runtime
  api.set('pods', kubePod('a/one', { ip: '10.0.0.2' }))
  await tells('the address', ([pod]) => pod?.ips?.[0] === '10.0.0.2')
  await until('it was asked', () => runtime.asked > asked + 1)
  t.match(told(), [{ netns: { pid: 1 } }])
})

void test('nothing is told after the end', async (t) => {
  const { api, source, told, errors, start } = await running(t)
  api.set('pods', kubePod('a/one'))
  start()
  source[Symbol.dispose]()
  await api.down()
  t.equal(told(), undefined)
  t.strictSame(errors, [])
})

void test('what is wrong on the node becomes an Event about the node, once', async (t) => {
  const { api, source, start } = await running(t)
  start()
  const path = join(t.testdir({}), 'cni-chain.json')
  using watch = new ChainWatch(source, path)
  watch.look()
  const since = new Date().toISOString()
  for (const state of ['chained', 'waiting'] as const) {
    writeChainState(path, { state, file: 'a', problem: 'none', since })
    watch.look()
  }
  const problem = 'another program takes the CNI plugin out of a each time'
  writeChainState(path, { state: 'contested', file: 'a', problem, hint: 'Say no.', since })
  for (let looks = 0; looks < 3; looks++) watch.look()
  await until('the Event', () => api.events.length > 0)
  t.match(api.events, [
    {
      metadata: { namespace: 'default' },
      involvedObject: { kind: 'Node', name: node, uid: node, namespace: undefined },
      type: 'Warning',
      reason: 'CniPluginNotChained',
      message: `${problem}. Say no.`,
    },
  ])
  t.equal(api.events.length, 1)
})
