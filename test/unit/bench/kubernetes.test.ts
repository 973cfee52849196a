import type { V1Pod } from '@kubernetes/client-node'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { type KubernetesOptions, runKubernetesBench } from '../../../bench/kubernetes/bench.ts'
import { parseFortio } from '../../../bench/kubernetes/fortio.ts'
import { planKubernetes } from '../../../bench/plan.ts'
import { renderHtml } from '../../../bench/report/html.ts'
import { renderReport } from '../../../bench/report/text.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { FakeCluster, fortioOutput } from '../../helpers/fake-cluster.ts'

const options: KubernetesOptions = {
  mesh: 'istio',
  image: 'registry.example/fortio:1',
  connections: [4],
  payloads: [81, 65536],
  rounds: 2,
  precision: 0.03,
  durationSeconds: 1,
}
const never = new AbortController().signal
const quiet = (): void => undefined

void test('two namespaces that differ in the annotation only are compared, and are gone afterwards', async (t) => {
  await using cluster = await FakeCluster.start({
    speed: (annotations) => (annotations['meshaccel.io/enabled'] === 'true' ? 1500 : 1000),
  })
  const said: string[] = []
  const report = await runKubernetesBench(cluster.api.config, options, {
    signal: never,
    say: (text) => said.push(text),
  })
  t.equal(report.runs.length, 2 * 2 * 2)
  const found = report.comparisons.find(({ mode }) => mode === 'meshaccel')
  t.match(found, { qpsRatio: { pairs: 2 }, verdict: 'faster' })
  t.ok(Math.abs((found?.qpsRatio?.low ?? 0) - 1.5) < 1e-9, 'it has no noise')
  t.match(report, {
    proxy: 'envoy',
    kubernetes: { node: 'node-7' },
    host: { kernel: '6.12.0', cpus: 4, memoryBytes: 8 * 1024 ** 3 },
    software: { fortio: '1.69.4', image: 'sha256:0123', kubernetes: 'v1.34.0' },
  })
  const spaces = cluster.created.filter((made) => !('spec' in made))
  t.match(spaces, [
    {
      metadata: {
        labels: { 'istio-injection': 'enabled' },
        annotations: { 'meshaccel.io/enabled': 'false' },
      },
    },
    {
      metadata: {
        labels: { 'istio-injection': 'enabled' },
        annotations: { 'meshaccel.io/enabled': 'true' },
      },
    },
  ])
  const pods: V1Pod[] = cluster.created.filter((made): made is V1Pod => 'spec' in made)
  t.equal(pods.length, 2 + 8)
  t.ok(pods.every((pod) => pod.spec?.containers[0]?.image === options.image))
  // The first decides on the node, the others follow it.
  const bound = pods.filter((pod) => JSON.stringify(pod.spec?.affinity ?? '').includes('node-7'))
  t.equal(bound.length, 9)
  t.equal(cluster.namespaces.size + cluster.pods.size, 0, 'nothing is left')
  t.match(said.join('\n'), 'no agent of meshaccel runs on node-7')
  t.match(renderReport(report), 'meshaccel: 1.50x the requests of iptables')
  const page = renderHtml(report)
  t.match(page, 'All pods are on node node-7')
  t.notMatch(page, /NaN|undefined|<script/)
})

void test('Linkerd and revisions of Istio are asked for in their own ways', async (t) => {
  for (const [more, expected] of [
    [{ mesh: 'linkerd' }, { annotations: { 'linkerd.io/inject': 'enabled' } }],
    [
      { revision: 'canary' },
      { labels: { 'istio.io/rev': 'canary', 'istio-injection': undefined } },
    ],
  ] as const) {
    await using cluster = await FakeCluster.start()
    const small = { ...options, payloads: [81], rounds: 1, node: 'node-7', ...more }
    await runKubernetesBench(cluster.api.config, small, { signal: never, say: () => undefined })
    t.match(cluster.created[0], { metadata: expected })
    t.equal(cluster.namespaces.size, 0)
  }
})

void test('an interrupt at any moment leaves nothing behind', async (t) => {
  for (let moment = 0; moment < 12; moment += 1) {
    await using cluster = await FakeCluster.start()
    const abort = new AbortController()
    let requests = 0
    const { route } = cluster.api
    cluster.api.route = (request) => {
      if (requests++ === moment) abort.abort()
      return route?.(request)
    }
    const running = runKubernetesBench(cluster.api.config, options, {
      signal: abort.signal,
      say: quiet,
    })
    await t.rejects(running, { code: 'INTERRUPTED' }, `at request ${moment}`)
    t.equal(cluster.namespaces.size + cluster.pods.size, 0, `at request ${moment}`)
  }
})

void test('what goes wrong is said, and nothing is left', async (t) => {
  const log = fortioOutput(1000, { 200: 4999, 503: 1 })
  for (const [trouble, expected] of [
    [{ injects: false }, { code: 'NOT_INJECTED', hint: /--mesh/ }],
    [{ waiting: 'ImagePullBackOff' }, { code: 'POD_FAILED', message: /ImagePullBackOff/ }],
    [{ prints: log }, { code: 'LOAD_FAILED', message: /1 with 503/ }],
    [{ prints: 'panic' }, { code: 'LOAD_FAILED', message: /panic/ }],
  ] as const) {
    await using cluster = await FakeCluster.start(trouble)
    const running = runKubernetesBench(cluster.api.config, options, { signal: never, say: quiet })
    await t.rejects(running, expected)
    t.equal(cluster.namespaces.size, 0)
  }
})

void test('a namespace that cannot be deleted is named, with what to do', async (t) => {
  await using cluster = await FakeCluster.start()
  const { route } = cluster.api
  cluster.api.route = (request) =>
    request.method === 'DELETE' && request.url.pathname.endsWith('-plain')
      ? { status: 403, body: { message: 'no' } }
      : route?.(request)
  const said: string[] = []
  const small = { ...options, payloads: [81], rounds: 1 }
  await runKubernetesBench(cluster.api.config, small, {
    signal: never,
    say: (text) => said.push(text),
  })
  t.match(
    said.join('\n'),
    /delete namespace meshaccel-bench-\w+-plain: .*kubectl delete namespace -l/s,
  )
  t.same(
    [...cluster.namespaces.keys()].map((name) => name.slice(-5)),
    ['plain'],
  )
})

void test('who may not create namespaces is told what it takes, and nothing else', async (t) => {
  await using cluster = await FakeCluster.start()
  cluster.api.route = () => ({ status: 403, body: { message: 'no' } })
  const said: string[] = []
  const say = (text: string): unknown => said.push(text)
  const running = runKubernetesBench(cluster.api.config, options, { signal: never, say })
  await t.rejects(running, { code: 'API_FORBIDDEN', hint: /create and delete namespaces/ })
  t.notMatch(said.join('\n'), /by hand/)
})

void test("fortio's result is found among its log, and between its lines", (t) => {
  const output = fortioOutput(1000).replace(
    /^ .*,$/m,
    '$&\nSockets used: 4 (for perfect keepalive, would be 4)',
  )
  t.match(output, /,\nSockets/)
  const { qps, latencyUs, latencyDistributionUs, version } = parseFortio(output)
  t.match({ qps, latencyUs, version }, { qps: 1000, latencyUs: { p50: 1000 }, version: '1.69.4' })
  t.same(latencyDistributionUs, [
    [0.5, 1000],
    [0.99, 3000],
  ])
  t.end()
})

void test('options of this machine make no sense in a cluster', (t) => {
  const given = {
    proxy: 'haproxy',
    mesh: 'istio',
    redirect: undefined,
    scenario: 'keepalive',
    'proxy-binary': undefined,
    modes: undefined,
    observe: undefined,
    connections: undefined,
    payload: undefined,
    duration: undefined,
    rounds: undefined,
    precision: undefined,
    timeLimit: undefined,
    rate: undefined,
    quick: false,
    image: 'fortio',
    node: undefined,
    revision: undefined,
  } as const
  t.match(planKubernetes(given), { connections: [1, 16], payloads: [81, 65536], precision: 0.03 })
  for (const wrong of [
    { proxy: 'envoy' },
    { 'proxy-binary': 'linkerd2-proxy' },
    { redirect: 'nft' },
    { modes: 'naive' },
    { observe: 'trace' },
    { rate: 10 },
    { scenario: 'close' },
    { duration: 0.5 },
    { rounds: 0 },
    { rounds: 1, precision: '3%' },
    { mesh: 'linkerd', revision: 'canary' },
  ] as const) {
    t.throws(
      () => planKubernetes({ ...given, ...wrong }),
      { name: 'PlanError' },
      JSON.stringify(wrong),
    )
  }
  t.end()
})

void test('the command line takes --kubernetes, without root', async (t) => {
  const usage = await runCommand(['bench', '--kubernetes', '--scenario', 'close'], { uid: 1000 })
  t.match(usage, { code: 2, stderr: /keepalive only/ })
  const { KUBECONFIG } = process.env
  t.teardown(() => {
    if (KUBECONFIG === undefined) delete process.env['KUBECONFIG']
    else process.env['KUBECONFIG'] = KUBECONFIG
  })
  await using cluster = await FakeCluster.start()
  const path = join(t.testdir(), 'config')
  writeFileSync(path, cluster.api.config.exportConfig())
  process.env['KUBECONFIG'] = path
  const flags = ['--payload', '81', '--rounds', '1', '--duration', '1', '-o', 'json']
  const done = await runCommand(['bench', '--kubernetes', '--quick', ...flags], { uid: 1000 })
  t.equal(done.code, 0, done.stderr)
  t.match(JSON.parse(done.stdout), { kubernetes: { node: 'node-7' }, runs: { length: 2 } })
  t.equal(cluster.namespaces.size, 0)
})
