import type { Test } from 'tap'
import type { TrialOutcome } from '../../../../src/cli/trial/outcome.ts'
import type { Advice } from '../../../../src/cli/advise/ranking.ts'
import { annotate, shop, type World } from '../world.ts'

const namespace = ['namespace', shop]

/** The commands that measure the traffic of injected pods. Whether it got faster is not asserted. */
export async function measures(story: Test, world: World): Promise<void> {
  const before = await world.client()

  await story.test('a trial compares, and puts everything back', async (t) => {
    const trial = await world.meshaccel<TrialOutcome>(
      'trial',
      shop,
      '--for',
      '36s',
      '--window',
      '3s',
    )
    t.match(trial, { namespace: shop, windows: Array.from({ length: 12 }, () => Object) })
    t.ok(trial.redirectedShare > 0, `${trial.redirectedShare}`)
    t.notOk((await world.status()).trial)
    await world.redirects(Date.now())
    await world.assertUnharmed(t, before)
  })

  await story.test('advice about a namespace that is not enabled changes nothing', async (t) => {
    await annotate(namespace, 'enabled-')
    for (const name of ['cart', 'stock']) await world.becomes(name, 'disabled')
    const { namespaces } = await world.meshaccel<Advice>('advise', shop, '--for', '15s')
    const [advice] = namespaces
    t.match(advice, { namespace: shop, pods: 2 })
    t.ok(advice && advice.wouldJoin.connections > 0, JSON.stringify(advice))
    t.ok(advice && advice.bothHereShare > 0.5, `${advice?.bothHereShare}`)
    for (const name of ['cart', 'stock']) await world.becomes(name, 'disabled')
    await annotate(namespace, 'enabled=true')
    for (const name of ['cart', 'stock']) await world.becomes(name, 'enrolled')
    await world.redirects(Date.now())
    await world.assertUnharmed(t, before)
  })
}
