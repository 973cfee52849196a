import { test } from 'tap'
import type { FlowView, PodView, StatusView } from '../../../../src/api/views.ts'
import { explain } from '../../../../src/cli/output/explanation.ts'
import { wordsOfPod, wordsOfTraffic } from '../../../../src/cli/output/words/reason.ts'
import { reasonNames } from '../../../../src/datapath/generated-names.ts'
import { notEnrolledReasons } from '../../../../src/reconcile/desired.ts'
import { flowBetween } from '../../../helpers/flows.ts'
import { RunningAgent } from '../../../helpers/running-agent.ts'

const status: StatusView = {
  state: 'accelerating',
  policy: 'strict',
  kernel: '6.18.0',
  version: '1.0.0',
  pods: { seen: 1, enrolled: 1 },
  connections: { now: 0, watched: 0, joined: 0, engaged: 0, plain: 0, mixed: 0 },
  totals: { redirectedBytes: 0n, redirectedMessages: 0n, tcpBytes: 0n, tcpMessages: 0n },
  unreadBytes: 0n,
  selfTest: {},
  reasons: {},
  source: { name: 'file', synced: true },
  heldPods: [],
  guarded: [],
}

const pod: PodView = {
  namespace: 'shop',
  name: 'cart-0',
  enrolled: true,
  ips: [],
  connections: { engaged: 1, plain: 2 },
  redirectedBytes: 2048n,
}

function flow(path: string, reason?: string): FlowView {
  const bytes = { redirectedBytes: 0n, tcpBytes: 0n, unreadBytes: 0n }
  const direction = { path, ...(reason === undefined ? {} : { reason }), ...bytes }
  return {
    identity: '1:2',
    state: 'watched',
    ageMs: 1n,
    client: { pod: 'shop/cart-0', address: '10.0.0.1:1', remote: '10.0.0.9:80' },
    directions: [
      { from: 'client', ...direction },
      { from: 'server', ...direction },
    ],
  }
}

void test('every reason has words', (t) => {
  for (const reason of reasonNames) {
    if (reason !== 'none') t.not(wordsOfTraffic(reason).means, reason, reason)
  }
  for (const reason of notEnrolledReasons) t.not(wordsOfPod(reason).means, reason, reason)
  t.equal(wordsOfTraffic('of-another-version').means, 'of-another-version')
  t.end()
})

void test('every connection of the pod is fast, or has one reason', (t) => {
  const another = { ...flow('tcp', 'short'), client: { pod: 'shop/other', address: '' } }
  const flows = [flow('redirect'), flow('tcp', 'remote-peer'), flow('tcp', 'remote-peer'), another]
  const pods = [pod, { ...pod, name: 'db', enrolled: false, reason: 'no-mesh', ips: ['10.0.0.9'] }]
  const { connections, sentences, enrolled } = explain({ status, pod, pods, readers: [], flows })
  t.equal(enrolled, true)
  t.strictSame(connections, { fast: 1, slow: { 'remote-peer': 2 } })
  t.strictSame(sentences, [
    'shop/cart-0 is enrolled. Of its 3 connections, 1 is fast; 2.0 KiB went that way.',
    '2 connections on TCP (remote-peer): its other end is not in an enrolled pod of this node.',
    '  Such as: shop/cart-0 > 10.0.0.9:80 (shop/db, not enrolled: no-mesh).',
    `  Next: ${wordsOfTraffic('remote-peer').next}`,
  ])
  t.end()
})

void test('the proxy of a pod in words', (t) => {
  const served = { ...pod, mesh: 'ambient', proxy: 'ztunnel as uid 0, gid 1337 on the node' }
  const { sentences } = explain({ status, pod: served, pods: [served], readers: [], flows: [] })
  t.strictSame(sentences, [
    'shop/cart-0 is enrolled. It has no connection now.',
    '  Its proxy (ambient): ztunnel as uid 0, gid 1337 on the node.',
  ])
  t.end()
})

void test('a pod that is not enrolled, an agent that accelerates nothing, a program that is quarantined', (t) => {
  const not = { ...pod, enrolled: false, reason: 'no-mesh' }
  t.match(explain({ status, pod: not, pods: [not], readers: [], flows: [] }).sentences, [
    /not accelerated: it has no sidecar/,
    /Next: Inject the sidecar/,
  ])
  const refused: StatusView = { ...status, state: 'refused', refusedBecause: 'late-join: no' }
  t.match(
    explain({ status: refused, pod, pods: [pod], readers: [], flows: [] }).sentences[0],
    /late-join: no/,
  )
  const draining: StatusView = { ...status, state: 'disabled' }
  t.match(
    explain({ status: draining, pod, pods: [pod], readers: [], flows: [] }).sentences[1],
    /resume/,
  )
  const held: StatusView = { ...status, heldPods: ['shop/cart-0'] }
  t.match(
    explain({ status: held, pod, pods: [pod], readers: [], flows: [] }).sentences[1],
    /A capture holds it on TCP/,
  )
  const guarded: StatusView = {
    ...status,
    guarded: [
      { namespace: 'bank', limitPercent: 10, pairs: 0 },
      {
        namespace: 'shop',
        limitPercent: 10,
        pairs: 15,
        p99Ratio: 1.25,
        p99AtLeast: 1.125,
        heldSince: '2026-11-30T10:00:00.000Z',
      },
    ],
  }
  const heldPod: PodView = { ...pod, heldBy: 'guard' }
  t.match(
    explain({ status: guarded, pod: heldPod, pods: [pod], readers: [], flows: [] }).sentences,
    [
      /is enrolled/,
      /The guard holds it on TCP: .* p99 is 1\.25 times that of TCP, at least 1\.1[23], limit 1\.10\.$/,
      /Next: `meshaccel trial shop` .* meshaccel\.io\/guard=off` /,
    ],
  )
  const reader = {
    namespace: 'shop',
    name: 'cart-0',
    program: '/usr/bin/proxy',
    quarantined: true,
    evidence: 'stuck',
    connections: { proven: 0, unproven: {} },
  }
  t.match(explain({ status, pod, pods: [pod], readers: [reader], flows: [] }).sentences.slice(-2), [
    /^\/usr\/bin\/proxy is quarantined, .* a thread slept/,
    /readers forgive shop\/cart-0 \/usr\/bin\/proxy`/,
  ])
  // A user who follows the advice must not run a command that a pod has made up.
  const hostile = { ...reader, program: "/tmp/a'; reboot" }
  t.match(
    explain({ status, pod, pods: [pod], readers: [hostile], flows: [] }).sentences.at(-1),
    "readers forgive shop/cart-0 '/tmp/a'\\''; reboot'`",
  )
  t.end()
})

void test('the command prints it, and says when the pod is not seen', async (t) => {
  const agent = new RunningAgent([
    { namespace: 'shop', name: 'cart-0', netns: '/run/netns/7', mesh: 'istio', enabled: false },
  ])
  t.teardown(() => agent[Symbol.asyncDispose]())
  await agent.start()
  const { stdout, code } = await agent.run('explain', 'shop/cart-0')
  t.equal(code, 0)
  t.match(
    stdout,
    /not accelerated: nobody has enabled it\.\n {2}Next: Run `kubectl annotate namespace shop /,
  )
  const json: unknown = JSON.parse((await agent.run('explain', 'shop/cart-0', '-o', 'json')).stdout)
  t.match(json, { pod: 'shop/cart-0', enabled: undefined, enrolled: false, reason: 'disabled' })
  const unseen = await agent.run('explain', 'shop/cart-1')
  t.equal(unseen.code, 1)
  t.match(
    unseen.stderr,
    /does not see shop\/cart-1\n {2}Did you mean shop\/cart-0\? It sees 1 pods/,
  )
  t.match((await agent.run('explain', 'cart-0')).stderr, /Did you mean shop\/cart-0\?/)
  t.notMatch((await agent.run('explain', 'web/frontend')).stderr, /Did you mean/)
})

void test('--to explains the connections between two pods', async (t) => {
  const cart = { namespace: 'shop', name: 'cart-0', netns: '/run/netns/7', mesh: 'istio' }
  const stock = { ...cart, name: 'stock-0', netns: '/run/netns/8' }
  await using agent = new RunningAgent([cart, stock].map((one) => ({ ...one, enabled: true })))
  agent.datapath.flowTable = [
    flowBetween(7n, 8n, { redirectedBytes: 2048n }),
    flowBetween(7n, 9n, { reason: 'waitall' }),
  ]
  await agent.start()
  const ask = (to: string, ...flags: string[]) =>
    agent.run('explain', 'shop/cart-0', '--to', to, ...flags)
  t.match(await ask('shop/stock-0'), {
    code: 0,
    stdout:
      'Of 1 connection between shop/cart-0 and shop/stock-0, 1 is fast; 2.0 KiB went that way.\n',
  })
  const json: unknown = JSON.parse((await ask('shop/stock-0', '-o', 'json')).stdout)
  t.match(json, { pod: 'shop/cart-0', to: 'shop/stock-0', connections: { fast: 1, slow: {} } })
  t.match(await ask('shop/stock-1'), {
    code: 0,
    stdout: /does not see shop\/stock-1: .*\n {2}Did you mean shop\/stock-0\?/,
  })
  t.match(await ask('stock-0'), { code: 2, stderr: /--to must be NAMESPACE\/NAME/ })
})
