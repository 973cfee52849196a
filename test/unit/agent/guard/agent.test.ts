import { test } from 'tap'
import type { GuardedView, StatusView } from '../../../../src/api/views.ts'
import { RunningAgent } from '../../../helpers/running-agent.ts'

const cart = {
  namespace: 'shop',
  name: 'cart-0',
  netns: '/run/netns/7',
  mesh: 'istio',
  enabled: true,
}

async function guarded(agent: RunningAgent): Promise<readonly GuardedView[]> {
  const { stdout } = await agent.run('status', '-o', 'json')
  const { guarded: found }: Pick<StatusView, 'guarded'> = JSON.parse(stdout)
  return found
}

void test('an agent has a guard if it is asked for, and the pods file may change its limit', async (t) => {
  {
    await using agent = new RunningAgent([cart])
    await agent.start()
    t.strictSame(await guarded(agent), [])
  }
  await using agent = new RunningAgent([cart])
  await agent.start('--guard', '10%')
  t.strictSame(await guarded(agent), [{ namespace: 'shop', limitPercent: 10, pairs: 0 }])
  t.match(
    (await agent.run('status')).stdout,
    /guard +namespace shop has no pair of windows yet, limit 1\.10/,
  )
  const web = { ...cart, name: 'web-0', netns: '/run/netns/8', guard: 'off' }
  const cautious = { ...cart, guard: '5%' }
  agent.write([cautious, web])
  await agent.said('"pod":"shop/web-0"')
  t.strictSame(await guarded(agent), [{ namespace: 'shop', limitPercent: 5, pairs: 0 }])
})
