import { test } from 'tap'
import { allRedirected, tally } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

const CONNECTIONS = 12
const BYTES = 4 * 2 ** 30
const PATH_CHANGES = 2000n

for (const family of ['IPv4', 'IPv6'] as const) {
  void test(`every byte in order over many path changes, ${family}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t)
    const [client, server] = [mesh.pod(0), mesh.pod(1)]
    const agent = await mesh.startAgent()
    const address = family === 'IPv4' ? server.address : server.address6
    const sizes = '1:1048576'
    const common = { address, mode: family === 'IPv4' ? 'edge' : 'mixed', write: sizes }
    await using serving = await Traffic.start(server, 'server', common)
    await using calling = await Traffic.start(client, 'client', {
      ...common,
      connections: CONNECTIONS,
      request: sizes,
      answer: sizes,
      duplex: 30,
      seed: process.pid,
    })
    const joined = async (): Promise<boolean> => allRedirected(await agent.flows(), CONNECTIONS)

    const changes = (): bigint => agent.counters().joins + agent.counters().leaves
    let enabled = true
    const target = family === 'IPv4' ? PATH_CHANGES : PATH_CHANGES / 10n
    const bytes = family === 'IPv4' ? BYTES : BYTES / 10
    await until(
      'enough bytes and path changes',
      async () => {
        enabled = !enabled
        mesh.enable(server, enabled)
        await until(
          `all connections are ${enabled ? 'in' : 'out'}`,
          async () => {
            const { joined: members } = (await agent.status()).connections
            return members === (enabled ? CONNECTIONS : 0)
          },
          { pauseMs: 20, attempts: 1500 },
        )
        const { sent, received, failed } = await calling.progress()
        if (failed > 0) return true
        return enabled && changes() >= target && sent + received >= bytes
      },
      { attempts: 2000, pauseMs: 0 },
    )
    t.ok(await until('joined', joined).catch(async () => t.fail(tally(await agent.flows()))))

    const called = await calling.end()
    t.match(called, { finished: CONNECTIONS, failed: 0, error: '' })
    t.match(await serving.end(), { finished: CONNECTIONS, failed: 0, error: '' })
    const { joins, leaves, redirectedBytes: redirected } = agent.counters()
    t.ok(joins + leaves >= target, `${joins} joins, ${leaves} leaves`)
    t.ok(called.sent + called.received >= bytes)
    t.ok(redirected > 0n)
    t.comment(`${called.sent + called.received} bytes, ${redirected} redirected`)
  })
}
