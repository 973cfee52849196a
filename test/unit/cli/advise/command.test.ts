import { test } from 'tap'
import type { Advice } from '../../../../src/cli/advise/ranking.ts'
import { runCommand } from '../../../helpers/cli-run.ts'
import { flowBetween } from '../../../helpers/flows.ts'
import { RunningAgent } from '../../../helpers/running-agent.ts'

const pod = (name: string, netns: number, enabled?: boolean) => ({
  namespace: 'shop',
  name,
  netns: `/run/netns/${netns}`,
  mesh: 'istio',
  ...(enabled === undefined ? {} : { enabled }),
})

/** An agent with two pods that nobody has enabled, which talk with each other, and with another node. */
async function unaccelerated(): Promise<RunningAgent> {
  const agent = new RunningAgent([pod('cart', 7), pod('stock', 8), pod('old', 9, false)])
  agent.datapath.flowTable = [
    flowBetween(7n, 8n, { reason: 'excluded', tcpBytes: 5_000n }, 1),
    flowBetween(7n, undefined, { reason: 'remote-peer' }, 2),
  ]
  await agent.start()
  return agent
}

void test('the command says which namespace is worth it, and nothing stays watched', async (t) => {
  await using agent = await unaccelerated()
  const { code, stdout, stderr } = await agent.run('advise', '--for', '1s', '-o', 'json')
  t.equal(code, 0, stderr)
  t.match(stderr, /watches 2 pods with 2 sockets for 1s; no connection changes/)
  const advice: Advice = JSON.parse(stdout)
  t.match(advice, {
    namespaces: [
      {
        namespace: 'shop',
        pods: 2,
        connections: 2,
        bothHereShare: 0.5,
        wouldJoin: { connections: 1 },
        wouldNot: { 'remote-peer': { connections: 1 } },
        readers: { proven: 3 },
      },
    ],
    watched: { leftOut: [{ pod: 'shop/old', reason: 'disabled-by-name' }] },
    pairs: [{ client: 'shop/cart', server: '192.0.2.1', port: 443 }],
  })
  t.equal(agent.datapath.pods.size, 0, 'the pods are withdrawn again')
})

void test('Ctrl-C ends it with what is known, and puts everything back', async (t) => {
  await using agent = await unaccelerated()
  const stop = new AbortController()
  const running = runCommand(['advise', 'shop', '--socket', agent.socket], {
    agentParts: agent.parts,
    signal: stop.signal,
  })
  await agent.said('watches pods for advice')
  t.match(await agent.run('status'), { stdout: /advice +is being made about shop/ })
  t.match(await agent.run('status'), { stdout: /0 enrolled of 3 seen/ })
  t.equal((await agent.run('advise')).code, 1, 'one at a time')
  t.match(await agent.run('trial', 'shop', '--for', '6s', '--window', '500ms'), {
    code: 1,
    stderr: /advice is being made on this node/,
  })
  const watched = agent.datapath.pods.get(7n)
  const { stdout } = await agent.run('flows')
  t.match(stdout, /\? .*tcp: remote-peer/)
  t.notMatch(stdout, /excluded/, 'a rule of the user is something else')
  t.match(watched?.exclusions, { ports: [{ from: 1, to: 65_535 }] }, 'all is kept on TCP')
  stop.abort()
  t.match(await running, { code: 1, stderr: /ended before the first look|ended early/ })
  await agent.said('watches no pods for advice any more')
  t.equal(agent.datapath.pods.size, 0)
})

void test('nothing to advise about, and a time that is out of bounds', async (t) => {
  await using agent = await unaccelerated()
  t.match(await agent.run('advise', 'bank', '--for', '1s'), {
    code: 1,
    stderr: /no pods on this node that are not enabled/,
  })
  t.match(await agent.run('advise', '--for', '1h'), { code: 2, stderr: /from 1s to 10m/ })
})
