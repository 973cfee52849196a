import { existsSync } from 'node:fs'
import { test } from 'tap'
import { AgentProcess, allRedirected } from '../../helpers/agent-process.ts'
import { kernelObjects, stillThere } from '../../helpers/kernel-objects.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

const CONNECTIONS = 16

for (const how of ['with an agent', 'without an agent'] as const) {
  void test(`killed, adopted and cleaned up under load, ${how}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t)
    const [client, server] = [mesh.pod(0), mesh.pod(1)]
    const first = await mesh.startAgent()
    const options = { address: server.address, mode: 'mixed' }
    await using serving = await Traffic.start(server, 'server', options)
    await using calling = await Traffic.start(client, 'client', {
      ...options,
      connections: CONNECTIONS,
      answer: '1:65536',
      pauseUs: 1000,
    })
    const goesOn = async (): Promise<void> => {
      const { slowest } = await calling.progress()
      await until('it goes on', async () => (await calling.progress()).slowest > slowest + 10)
    }
    await until('all join', async () => allRedirected(await first.flows(), CONNECTIONS))
    const objects = kernelObjects(mesh.pinDir)
    t.ok(objects.prog.length > 0 && objects.link.length > 0 && objects.map.length > 0)

    await first.kill('SIGKILL')
    t.ok(existsSync(mesh.pinDir))
    await goesOn()
    const second = await mesh.startAgent()
    t.match(second.log, /"msg":"adopted"/)
    t.strictSame(kernelObjects(mesh.pinDir), objects, 'the same objects as before')
    const { redirectedBytes } = (await second.status()).totals
    t.ok(redirectedBytes > 0n)
    await until(
      'more is redirected',
      async () => (await second.status()).totals.redirectedBytes > redirectedBytes,
    )
    await until('all are members', async () => allRedirected(await second.flows(), CONNECTIONS))
    await goesOn()

    if (how === 'without an agent') await second.kill('SIGKILL')
    AgentProcess.cleanup(mesh)
    t.notOk(existsSync(mesh.pinDir), 'no pin is left')
    await until('no object is left', () => stillThere(objects).length === 0).catch(() =>
      t.fail(`still there: ${stillThere(objects).join(', ')}`),
    )
    await goesOn()
    t.match(await calling.end(), { finished: CONNECTIONS, failed: 0, error: '' })
    t.match(await serving.end(), { finished: CONNECTIONS, failed: 0, error: '' })
  })
}
