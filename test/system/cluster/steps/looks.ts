import { execFile } from 'node:child_process'
import type { Test } from 'tap'
import type { FlowView } from '../../../../src/api/views.ts'
import type { ClusterStatus } from '../../../../src/cli/cluster/show-cluster.ts'
import { until } from '../../../helpers/retry.ts'
import { kubectl } from '../kubectl.ts'
import { shop, system, type World } from '../world.ts'

const POD = `${shop}/cart`
const PACKETS = 20

/** The commands by which operators look at a cluster and at one pod of it. */
export async function looks(story: Test, world: World): Promise<void> {
  const before = await world.client()

  await story.test('the status of the cluster is that of its agents', async (t) => {
    const { code, stdout } = await status('-o', 'json')
    t.equal(code, 0, stdout)
    const { nodes, count }: ClusterStatus = JSON.parse(stdout)
    t.strictSame(count, { nodes: 1, answered: 1, accelerating: 1 })
    const agent = `${system}/${await world.agentPod()}`
    const [row] = nodes
    t.match(row, { node: world.nodeName, agent, status: { state: 'accelerating' } })
    const { kernel, version, pods } = await world.status()
    t.match(row?.status, { kernel, version, pods: { enrolled: pods.enrolled } })
  })

  await story.test('an agent that hangs is named', async (t) => {
    await world.signalAgent('SIGSTOP')
    try {
      const { code, stdout } = await status('--timeout', '2s')
      t.equal(code, 1)
      t.match(stdout, `${world.nodeName}: no answer within 2s (${system}/`)
      t.match(stdout, '0 of 1 nodes accelerate; 0 agents answered')
    } finally {
      await world.signalAgent('SIGCONT')
    }
    await world.assertUnharmed(t, before)
  })

  await story.test('a debug container sees the packets of a pod that is held', async (t) => {
    const agent = ['exec', '-n', system, await world.agentPod(), '-c', 'agent', '--']
    const held = kubectl(...agent, 'meshaccel', 'capture', POD, '--hold', '--for', '30s')
    await until('it is on TCP', async () => {
      const { heldPods } = await world.status()
      const { flows } = await world.meshaccel<{ flows: FlowView[] }>('flows', '--pod', POD)
      return heldPods.includes(POD) && flows.every(({ state }) => state === 'watched')
    })
    // As docs/CAPTURE.md advises. The image has no user `tcpdump`.
    const debug = ['debug', '-n', shop, 'cart', '--image=registry.local/pods:1', '-i', '--quiet']
    const tcpdump = ['tcpdump', '-Z', 'root', '-n', '-i', 'any', '-c', String(PACKETS), 'tcp']
    const packets = await kubectl(
      ...debug,
      '--image-pull-policy=IfNotPresent',
      '--profile=netadmin',
      '--',
      ...tcpdump,
    )
    t.ok([...packets.matchAll(/ > /g)].length >= PACKETS, packets)
    await held
    t.notOk((await world.status()).heldPods.includes(POD))
    await world.redirects(Date.now())
    await world.assertUnharmed(t, before)
  })
}

/** Runs `meshaccel status --cluster` outside of the cluster, as its users do. */
function status(...args: readonly string[]): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    execFile('meshaccel', ['status', '--cluster', ...args], (error, stdout) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout }),
    )
  })
}
