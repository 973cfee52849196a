import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { HttpServer, textPage } from '../../../../src/api/http.ts'
import { statusPage } from '../../../../src/api/status-page.ts'
import type { StatusView } from '../../../../src/api/views.ts'
import { askAll, type ClusterStatus } from '../../../../src/cli/cluster/show-cluster.ts'
import { runCommand, type CliResult } from '../../../helpers/cli-run.ts'
import { FakeKubeApi } from '../../../helpers/fake-kube-api.ts'
import {
  fakePortForward,
  type Forwarding,
  type Refusal,
} from '../../../helpers/fake-port-forward.ts'
import { sampleStatus } from '../../../helpers/sample-status.ts'

interface FakeNode {
  readonly labels?: Readonly<Record<string, string>>
  readonly ready?: boolean
  /** Absent: no pod of an agent. */
  readonly agent?: object
  readonly to?: Forwarding | Refusal
}

const running = { containerStatuses: [{ name: 'agent', state: { running: {} } }] }

const waiting = (reason: string, message: string): object => ({
  containerStatuses: [{ name: 'agent', state: { waiting: { reason, message } } }],
})

/** A cluster with an agent on each node, behind an API server that forwards to their ports. */
async function cluster(t: Test, nodes: Readonly<Record<string, FakeNode>>): Promise<FakeKubeApi> {
  const api = await FakeKubeApi.start()
  t.teardown(() => api[Symbol.asyncDispose]())
  const items = Object.entries(nodes)
  api.route = ({ url }) => {
    if (url.pathname === '/api/v1/nodes') {
      // A page for each node.
      const index = Number(url.searchParams.get('continue') ?? 0)
      const [name, { labels = {}, ready = true } = {}] = items[index] ?? []
      const more = index + 1 < items.length ? { continue: String(index + 1) } : {}
      const conditions = [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }]
      return {
        status: 200,
        body: { metadata: more, items: [{ metadata: { name, labels }, status: { conditions } }] },
      }
    }
    if (url.pathname !== '/api/v1/pods') return undefined
    const pods = items.flatMap(([nodeName, { agent: state }]) => {
      if (!state) return []
      const ports = [{ name: 'metrics', containerPort: 9464 }]
      return [
        {
          metadata: { namespace: 'mesh', name: `agent-${nodeName}` },
          spec: { nodeName, containers: [{ name: 'agent', ports }] },
          status: state,
        },
      ]
    })
    return { status: 200, body: { metadata: {}, items: pods } }
  }
  api.upgrade = fakePortForward((pod, port) =>
    port === 9464 ? nodes[pod.replace('mesh/agent-', '')]?.to : undefined,
  )
  return api
}

/** The HTTP server of an agent with this status. Returns its port. */
async function agent(t: Test, changed: Partial<StatusView> = {}): Promise<number> {
  const control = { status: async () => ({ ...sampleStatus, guarded: [], ...changed }) }
  const server = await HttpServer.listen(
    { host: '127.0.0.1', port: 0 },
    { '/status': statusPage(control) },
  )
  t.teardown(() => server.close())
  return server.port
}

function kubeconfig(t: Test, api: FakeKubeApi): string {
  const path = join(t.testdir(), 'config')
  writeFileSync(
    path,
    `apiVersion: v1
kind: Config
clusters: [{name: fake, cluster: {server: '${api.url}', insecure-skip-tls-verify: true}}]
users: [{name: me, user: {token: secret}}]
contexts: [{name: there, context: {cluster: fake, user: me}}]
current-context: elsewhere
`,
  )
  return path
}

function status(t: Test, api: FakeKubeApi, ...args: readonly string[]): Promise<CliResult> {
  const from = ['--kubeconfig', kubeconfig(t, api), '--context', 'there']
  return runCommand(['status', '--cluster', ...from, ...args])
}

void test('a line for each node, and each that needs somebody is named with the reason', async (t) => {
  const api = await cluster(t, {
    'node-1': { agent: running, to: await agent(t, { heldPods: [] }) },
    'node-2': {
      agent: running,
      to: await agent(t, {
        state: 'disabled',
        heldPods: ['a/b', 'a/c'],
        guarded: sampleStatus.guarded,
      }),
    },
    'node-3': { agent: running, to: 'silent' },
    'node-4': {
      agent: running,
      to: { error: 'dial tcp4 127.0.0.1:9464: connect: connection refused' },
    },
    'node-5': { agent: running, to: { status: 403, message: 'pods "agent" is forbidden' } },
    'node-6': { agent: waiting('CrashLoopBackOff', 'back-off 5m0s restarting') },
    'node-7': {},
    'node-8': { ready: false, agent: running },
    'node-9': {
      agent: running,
      to: await agent(t, { state: 'refused', refusedBecause: 'splice: no', heldPods: [] }),
    },
    slow: { agent: running, to: 'mute' },
    windows: { labels: { 'kubernetes.io/os': 'windows' } },
    virtual: { labels: { type: 'virtual-kubelet' } },
  })
  const { code, stdout, stderr } = await status(t, api, '--timeout', '500ms')
  t.equal(code, 1, stderr)
  const [head, first, ...rest] = stdout.trimEnd().split('\n')
  t.match(
    head,
    /^NODE +STATE +POLICY +PODS +CONNECTIONS +ENGAGED +REDIRECTED +TCP +VERSION +KERNEL$/,
  )
  t.match(first, /^node-1 +accelerating +strict +1\/1 +3 +1 +1 B +1 B +1\.0\.0 +6\.18\.0$/)
  t.match(rest.slice(0, 9), [
    /^node-2 +disabled /,
    ...[3, 4, 5, 6, 7, 8].map((node) => new RegExp(`^node-${node} +no answer +- +-`)),
    /^node-9 +refused /,
  ])
  t.strictSame(rest.slice(9), [
    '',
    '1 of 10 nodes accelerate; 3 agents answered',
    'node-2: somebody has drained it; `meshaccel resume` there switches it on again',
    'node-2: a capture holds 2 pods on TCP',
    'node-2: the guard holds a namespace on TCP',
    'node-3: no answer within 500ms (mesh/agent-node-3)',
    'node-4: nothing listens there (mesh/agent-node-4)',
    'node-5: the API server forbids it (403): pods "agent" is forbidden (mesh/agent-node-5)',
    'node-6: CrashLoopBackOff: back-off 5m0s restarting',
    'node-7: no agent runs there',
    'node-8: the node is not ready',
    'node-9: refused: splice: no',
    'slow: no answer within 500ms (mesh/agent-slow)',
  ])
  t.notMatch(stdout, /windows|virtual/)
})

void test('exit 0 and JSON if every node accelerates', async (t) => {
  const huge = 2n ** 60n
  const totals = { ...sampleStatus.totals, redirectedBytes: huge }
  const api = await cluster(t, {
    one: { agent: running, to: await agent(t, { totals, heldPods: [] }) },
    two: { agent: running, to: await agent(t, { heldPods: [] }) },
  })
  const { code, stdout, stderr } = await status(t, api, '-o', 'json')
  t.equal(code, 0, stderr)
  const answer: ClusterStatus = JSON.parse(stdout)
  t.strictSame(answer.count, { nodes: 2, answered: 2, accelerating: 2 })
  t.match(answer.nodes, [
    { node: 'one', agent: 'mesh/agent-one', status: { state: 'accelerating' } },
    { node: 'two' },
  ])
  t.equal(String(answer.nodes[0]?.status?.totals.redirectedBytes), String(huge))
  t.notMatch(stdout, /shop\/cart/, 'no names of pods leave the node')
  t.match((await status(t, api)).stdout, /1\.0 EiB|1024\.0 PiB/)
  const asked = api.requests.find(({ url }) => url.pathname === '/api/v1/nodes')
  t.equal(asked?.authorization, 'Bearer secret')
  await status(t, api, '-l', 'pool=fast')
  t.equal(
    api.requests
      .findLast(({ url }) => url.pathname.endsWith('/nodes'))
      ?.url.searchParams.get('labelSelector'),
    'pool=fast',
  )
})

void test('an agent of another kind is named', async (t) => {
  const older = await HttpServer.listen({ host: '127.0.0.1', port: 0 }, {})
  const other = await HttpServer.listen(
    { host: '127.0.0.1', port: 0 },
    { '/status': () => ({ ...textPage(200, '{"state":7}'), contentType: 'application/json' }) },
  )
  t.teardown(() => Promise.all([older.close(), other.close()]))
  const api = await cluster(t, {
    older: { agent: running, to: older.port },
    other: { agent: running, to: other.port },
    text: { agent: running, to: await agent(t, { state: 'accelerating' }) },
  })
  const { stdout } = await status(t, api)
  t.match(stdout, /^older: it is older than this command /m)
  t.match(stdout, /^other: its answer makes no sense /m)
  t.match(stdout, /^1 of 3 nodes accelerate; 1 agents answered$/m)
})

void test('what keeps the whole command from its answer is an error with the next step', async (t) => {
  const api = await cluster(t, {})
  api.failures.set('/api/v1/nodes', { status: 403, message: 'nodes is forbidden' })
  t.match(await status(t, api), { code: 1, stderr: /list nodes: .*403.*\n.*pods\/portforward/ })
  t.match(await runCommand(['status', '--cluster', '--kubeconfig', '/nowhere']), {
    code: 1,
    stderr: /read kubeconfig \/nowhere/,
  })
  t.match(await runCommand(['status', '--context', 'there']), {
    code: 2,
    stderr: /--context needs --cluster/,
  })
})

void test('a bounded number of agents is asked at a time, and slow ones hold up no other', async (t) => {
  const nodes = Array.from({ length: 40 }, (_, i) => ({
    node: `node-${i}`,
    agent: { namespace: 'mesh', name: `agent-${i}`, port: 9464 },
  }))
  let now = 0
  let most = 0
  const { count, nodes: rows } = await askAll(nodes, 100, async ({ name }, signal) => {
    now += 1
    most = Math.max(most, now)
    // Every fourth agent is silent.
    if (Number(name.slice(6)) % 4 === 0) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      now -= 1
      throw new Error('aborted')
    }
    await Promise.resolve()
    now -= 1
    return sampleStatus
  })
  t.equal(most, 16)
  t.strictSame(count, { nodes: 40, answered: 30, accelerating: 30 })
  t.match(rows[0], { node: 'node-0', problem: 'no answer within 100ms' })
  t.match(rows[39], { node: 'node-39', status: {} })
})
