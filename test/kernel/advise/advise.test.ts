import { test } from 'tap'
import type { NamespaceAdviceView } from '../../../src/api/views.ts'
import type { Advice } from '../../../src/cli/advise/ranking.ts'
import { allRedirected } from '../../helpers/agent-process.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { Mesh, type Pod } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { SteadyLoad } from '../../helpers/steady-load.ts'

const CONNECTIONS = 4

const load = (from: Pod, to: Pod): Promise<SteadyLoad> => SteadyLoad.start(from, to, CONNECTIONS)

void test('advice tells what would join, and lets nothing join', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 3, enabled: 'unset' })
  const [one, two, three] = [mesh.pod(0), mesh.pod(1), mesh.pod(2)]
  mesh.enable(three, false)
  const agent = await mesh.startAgent()
  await using among = await load(one, two)
  await using away = await load(one, three)
  const explained = async (to: string): Promise<string> =>
    (await runCommand(['explain', 'shop/pod-1', '--to', to, '--socket', mesh.socket])).stdout
  t.match(await explained('shop/pod-2'), /watches connections of enrolled pods only/)

  const stop = new AbortController()
  const args = ['--socket', mesh.socket, '-o', 'json']
  const advised = agent.client.advise({ namespaces: [], forMs: 60_000 }, stop.signal)
  const { begun } = (await advised.next()).value ?? {}
  t.match(begun, {
    pods: ['shop/pod-1', 'shop/pod-2'],
    leftOut: [{ pod: 'shop/pod-3', reason: 'disabled-by-name' }],
  })
  t.match(await agent.status(), { pods: { enrolled: 0 }, advice: { namespaces: ['shop'] } })
  t.match(await runCommand(['advise', ...args]), { code: 1, stderr: /already has pods watched/ })
  let last: NamespaceAdviceView | undefined
  for await (const { report } of advised) {
    last = report?.namespaces[0]
    if (!last || last.wouldJoin.connections < CONNECTIONS) continue
    // The second look at a connection tells its bytes.
    if (last.peers.some(({ bytes }) => bytes > 0n)) stop.abort()
  }
  t.match(last, {
    namespace: 'shop',
    pods: 2,
    all: { connections: 2 * CONNECTIONS },
    bothHere: { connections: CONNECTIONS },
    wouldNot: { 'remote-peer': { connections: CONNECTIONS } },
    peers: [
      {
        pod: 'shop/pod-1',
        calls: true,
        address: three.address,
        connections: CONNECTIONS,
        peer: 'shop/pod-3',
        reason: 'disabled',
      },
    ],
  })
  t.equal(last?.readers.proven, 2 * CONNECTIONS)
  t.ok((last?.wouldJoin.turns ?? 0n) > 0n)
  await until('the agent notices', async () => (await agent.status()).advice === undefined)

  const { code, stdout, stderr } = await runCommand(['advise', 'shop', '--for', '1s', ...args])
  t.equal(code, 0, stderr)
  const advice: Advice = JSON.parse(stdout)
  t.match(advice.namespaces, [{ namespace: 'shop', pods: 3 }], 'a pod takes part that is named')
  t.ok(advice.cost.looks >= 3 && advice.cost.cpuUs > 0)
  t.comment(JSON.stringify(advice))

  const { joins } = agent.counters()
  t.equal(joins, 0n, 'no socket has ever entered the sockhash')
  t.match(await agent.status(), { pods: { enrolled: 0 }, advice: undefined })

  mesh.enable(one, true)
  mesh.enable(two, true)
  await until('what the advice told comes true', async () => {
    const flows = await agent.flows()
    const joined = flows.filter(({ client, server }) => client?.pod && server?.pod)
    return allRedirected(joined, CONNECTIONS)
  })
  t.match(await explained('shop/pod-2'), /Of 4 connections .*, 4 are fast/)
  t.match(await explained('shop/pod-3'), /shop\/pod-3 is not accelerated: nobody has enabled it/)
  t.match(await explained('shop/pod-3'), /Of 4 connections .*, 0 are fast/)
  t.match(await explained('bank/ledger'), /does not see bank\/ledger/)
  await among.end(t)
  await away.end(t)
})

void test('Ctrl-C or a killed agent ends it, and nothing is watched afterwards', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { enabled: 'unset' })
  let agent = await mesh.startAgent()
  await using traffic = await load(mesh.pod(0), mesh.pod(1))
  const stop = new AbortController()
  const interrupted = runCommand(['advise', '--for', '60s', '--socket', mesh.socket], {
    signal: stop.signal,
  })
  await until('it watches', async () => (await agent.flows()).length === CONNECTIONS)
  stop.abort()
  t.match(await interrupted, { code: 1, stderr: /ended early|ended before the first look/ })
  await until('the agent notices', async () => (await agent.status()).advice === undefined)

  const running = runCommand(['advise', '--for', '60s', '--socket', mesh.socket])
  await until('it watches again', async () => (await agent.status()).advice !== undefined)
  await agent.kill('SIGKILL')
  t.match(await running, { code: 1, stderr: /the agent has ended/ })
  agent = await mesh.startAgent()
  t.match(await agent.status(), { pods: { enrolled: 0 }, connections: { joined: 0 } })
  t.equal(agent.counters().joins, 0n)
  await traffic.end(t)
})
