import type { Test } from 'tap'
import { until } from '../../../helpers/retry.ts'
import { kubectl } from '../kubectl.ts'
import { agentReady, deletePods, release, system, type World } from '../world.ts'

const server = ['node', '/app/server.mjs']
const sidecars = ['classic', 'native'] as const

export async function missingAgent(story: Test, world: World): Promise<void> {
  const before = await world.client()

  await story.test('it is rolled', async (t) => {
    const old = await world.agentPod()
    const { totals } = await world.status()
    const begun = Date.now()
    await kubectl('rollout', 'restart', '-n', system, `daemonset/${release}`)
    await agentReady()
    t.not(await world.agentPod(), old)
    const ready = Date.now()
    const answers = await until('the next one answers', () => {
      const known = world.samples.lines.filter(
        ({ at, redirectedBytes }) => at > begun && redirectedBytes !== undefined,
      )
      return known.some(({ at }) => at > ready) && known
    })
    const gaps = answers.slice(1).map((next, index) => {
      const last = answers[index] ?? next
      return { last, next, ms: next.at - last.at }
    })
    const [longest] = gaps.toSorted((one, other) => other.ms - one.ms)
    if (!longest) throw new Error('the agent was never gone')
    const { last, next, ms } = longest
    t.comment(`no agent for ${ms} ms`)
    // The kernel has continued to count, because its counters are pinned.
    t.ok(
      (next.redirectedBytes ?? 0) > (last.redirectedBytes ?? Infinity),
      'connections stayed fast',
    )
    t.ok((await world.status()).totals.redirectedBytes > totals.redirectedBytes)
    for (const name of ['cart', 'stock']) t.match(await world.seen(name), { enrolled: true }, name)
    await world.assertUnharmed(t, before)
  })

  await story.test('it is killed again and again while pods start', async (t) => {
    const pods = sidecars.flatMap((sidecar) =>
      [0, 1].map((i) => ({ name: `brave-${sidecar}-${i}`, sidecar, command: server })),
    )
    const over = new AbortController()
    const kills = killAgents(world, over.signal)
    try {
      await world.startPods(...pods)
    } finally {
      over.abort()
    }
    t.comment(`${await kills} agents killed while ${pods.length} pods started`)
    await agentReady()
    for (const { name } of pods) await world.becomes(name, 'enrolled')
    await world.assertUnharmed(t, before)
  })

  await story.test('it hangs while pods go and start', async (t) => {
    await world.signalAgent('SIGSTOP')
    try {
      await deletePods('brave-classic-0')
      await world.startPods({ name: 'brave-classic-0', sidecar: 'classic', command: server })
    } finally {
      await world.signalAgent('SIGCONT')
    }
    // On a busy machine the kubelet has restarted it meanwhile.
    await agentReady()
    await world.becomes('brave-classic-0', 'enrolled')
    await deletePods('brave-classic-0', 'brave-classic-1', 'brave-native-0', 'brave-native-1')
    await world.assertUnharmed(t, before)
  })
}

/** Ends one agent after another until the signal. Resolves to their number. */
async function killAgents(world: World, signal: AbortSignal): Promise<number> {
  for (let count = 0; ; count++) {
    if (signal.aborted) return count
    const agent = await world.agentPod()
    await kubectl('delete', 'pod', '-n', system, agent, '--grace-period=0', '--force')
    await until('another one is there', async () => (await world.agentPod()) !== agent)
  }
}
