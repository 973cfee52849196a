import type { Test } from 'tap'
import { until } from '../../../helpers/retry.ts'
import { getObjects, kubectl } from '../kubectl.ts'
import { deletePods, shop, type KubePod, type World } from '../world.ts'

const sidecars = ['classic', 'native'] as const

/** The namespace of the shop is enabled. Its pods are enrolled as they start. */
export async function comingPods(story: Test, world: World): Promise<void> {
  const before = await world.client()
  for (const sidecar of sidecars) {
    const when = world.hasPlugin ? 'before its first process runs' : 'once it is there'
    await story.test(`${sidecar}: enrolled ${when}`, async (t) => {
      const name = `late-${sidecar}`
      await world.startPods({ name, sidecar, command: ['node', '/app/server.mjs'] })
      await world.becomes(name, 'enrolled')
      if (!world.hasPlugin) return
      const started = Number(await kubectl('logs', '-n', shop, name, '-c', 'first'))
      const said = await world.log()
      const line = said.find(({ pod, msg }) => pod === `${shop}/${name}` && msg === 'enrolled')
      const enrolled = Date.parse(line?.time ?? '')
      t.comment(`enrolled ${Math.round(started - enrolled)} ms before`)
      t.ok(enrolled < started, `enrolled at ${enrolled}, started at ${started}`)
    })
  }

  await story.test('and accelerated', async () => {
    const { status } = await getObjects<KubePod>('pod', '-n', shop, 'late-classic')
    const command = ['node', '/app/client.mjs', status.podIP ?? '', '2']
    await world.startPods({ name: 'late-client', sidecar: 'native', command })
    await redirects(world, 'late-classic')
  })

  await story.test('a container restarts', async (t) => {
    await kubectl('exec', '-n', shop, 'late-classic', '-c', 'app', '--', 'sh', '-c', 'kill 1')
    await until('it has restarted', async () => {
      const { status } = await getObjects<KubePod>('pod', '-n', shop, 'late-classic')
      return status.containerStatuses?.some(({ restartCount }) => restartCount > 0)
    })
    t.match(await world.seen('late-classic'), { enrolled: true })
    await redirects(world, 'late-classic')
  })

  await story.test('a pod is replaced by one of its name', async (t) => {
    const old = await world.seen('late-classic')
    await deletePods('late-classic', 'late-client')
    await until('the agent forgets it', async () => !(await world.seen('late-classic')))
    await world.startPods({
      name: 'late-classic',
      sidecar: 'classic',
      command: ['node', '/app/server.mjs'],
    })
    await world.becomes('late-classic', 'enrolled')
    const now = await world.seen('late-classic')
    t.not(now?.uid, old?.uid)
    t.not(now?.netnsCookie, old?.netnsCookie)
  })

  await story.test('all of them go', async (t) => {
    await deletePods('late-classic', 'late-native')
    await until('two pods are enrolled', async () => (await world.status()).pods.enrolled === 2)
    await world.assertUnharmed(t, before)
  })
}

/** Waits until more bytes of the pod's connections are redirected than now. */
async function redirects(world: World, name: string): Promise<void> {
  const before = (await world.seen(name))?.redirectedBytes ?? 0
  await until(`bytes of ${name} are redirected`, async () => {
    const pod = await world.seen(name)
    return pod !== undefined && pod.redirectedBytes > before
  })
}
