import type { Test } from 'tap'
import { until } from '../../../helpers/retry.ts'
import { getObjects } from '../kubectl.ts'
import { within } from '../within.ts'
import { annotate, shop, type World } from '../world.ts'

const namespace = ['namespace', shop]
const pod = (name: string): string[] => ['pod', name, '-n', shop]

/** Checks the time that users are promised, from the edit to the effect. */
const promisedMs = 2_000

interface Event {
  readonly type: string
  readonly reason: string
  readonly message: string
  readonly involvedObject: { readonly kind: string; readonly name: string }
}

export async function annotations(story: Test, world: World): Promise<void> {
  const before = await world.client()

  await story.test('a namespace is annotated no longer', async (t) => {
    const edited = await annotate(namespace, 'enabled-')
    within(t, 'not redirected', (await world.stopsRedirecting()) - edited, promisedMs)
    for (const name of ['cart', 'stock']) await world.becomes(name, 'disabled')
    await world.assertUnharmed(t, before)
  })

  await story.test('but again', async (t) => {
    const edited = await annotate(namespace, 'enabled=true')
    within(t, 'redirected', (await world.redirects(edited)) - edited, promisedMs)
    for (const name of ['cart', 'stock']) await world.becomes(name, 'enrolled')
    await world.assertUnharmed(t, before)
  })

  await story.test("a pod's annotation overrides", async (t) => {
    await annotate(namespace, 'enabled=false')
    await annotate(pod('cart'), 'enabled=true')
    const edited = await annotate(pod('stock'), 'enabled=true')
    within(t, 'redirected', (await world.redirects(edited)) - edited, promisedMs)

    await annotate(namespace, 'enabled=true')
    await annotate(pod('stock'), 'enabled=false')
    await world.becomes('stock', 'disabled')
    t.match(await world.seen('cart'), { enrolled: true })
    await world.assertUnharmed(t, before)
  })

  await story.test('a bad value is told to its user, and counts as none', async (t) => {
    await annotate(pod('stock'), 'enabled=yes')
    await world.becomes('stock', 'enrolled')
    const event = await until('an Event is written', async () => {
      const { items } = await getObjects<{ items: Event[] }>('events', '-n', shop)
      return items.find(({ reason }) => reason === 'BadAnnotation')
    })
    t.match(event, {
      type: 'Warning',
      involvedObject: { kind: 'Pod', name: 'stock' },
      message: /meshaccel\.io\/enabled must be "true" or "false", not "yes"/,
    })
    for (const name of ['cart', 'stock']) await annotate(pod(name), 'enabled-')
    await world.redirects(Date.now())
    await world.assertUnharmed(t, before)
  })
}
