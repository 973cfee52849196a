import { test } from 'tap'
import { tally } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

const CONNECTIONS = 16
const TIMES = 50

void test('disabling a pod stops redirection and enabling it resumes', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const [client, server] = [mesh.pod(0), mesh.pod(1)]
  const agent = await mesh.startAgent()
  const options = { address: server.address, mode: 'mixed' }
  await using serving = await Traffic.start(server, 'server', options)
  await using calling = await Traffic.start(client, 'client', {
    ...options,
    connections: CONNECTIONS,
    answer: '1:65536',
  })
  const redirected = async (): Promise<bigint> => (await agent.status()).totals.redirectedBytes
  const members = async (): Promise<number> =>
    (await agent.flows()).filter(({ state }) => state === 'joined' || state === 'leaving').length

  for (let time = 0; time < TIMES; time++) {
    const before = await redirected()
    await until('all are members', async () => (await members()) === CONNECTIONS, {
      attempts: 100,
    }).catch(async () => {
      const { reasons } = await agent.status()
      const counted = Object.entries(reasons).filter(([, count]) => count > 0)
      throw new Error(`${time} toggles: ${tally(await agent.flows())}; ${counted.join(' ')}`)
    })
    await until('bytes are redirected', async () => (await redirected()) > before, { pauseMs: 10 })
    mesh.enable(server, false)
    await until('no member is left', async () => (await members()) === 0, { pauseMs: 10 })

    const stopped = await redirected()
    const { steps } = await calling.progress()
    await until(
      'the traffic goes on',
      async () => (await calling.progress()).steps > steps + 10 * CONNECTIONS,
      { pauseMs: 10 },
    )
    if ((await redirected()) !== stopped) t.fail('bytes were redirected while disabled')
    mesh.enable(server, true)
  }
  t.match(await calling.end(), { finished: CONNECTIONS, failed: 0, error: '' })
  t.match(await serving.end(), { finished: CONNECTIONS, failed: 0, error: '' })
  t.ok(agent.counters().leaves >= BigInt(TIMES * CONNECTIONS))
})
