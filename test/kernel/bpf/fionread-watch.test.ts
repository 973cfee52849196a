/**
 * Messages to a reader that may ask FIONREAD. test/kernel/adversity/scenarios/askers.ts has the programs that do ask.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { BpfMap, u32 } from 'libbpf'
import { test } from 'tap'
import { HIDES_REDIRECTED, HIDES_TCP } from '../../../src/datapath/loop/scans.ts'
import { config } from '../../../src/datapath/maps/generated.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { ask } from '../adversity/ask.ts'
import { type Answer, joinAll, scans } from '../adversity/both-ends.ts'

/** Longer than the turns by which the connection joins. */
const LENGTH = 5000

void test('where FIONREAD hides redirected bytes, a longer message than any before goes by TCP', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent('--policy', 'full')
  await using ends = mesh.pod(0).run<Answer>('inquirer')
  await joinAll(agent, ends, 1)
  const [version = ''] = readdirSync(mesh.pinDir)
  using settings = BpfMap.fromPin(join(mesh.pinDir, version, 'config'), u32, config)
  const found = settings.lookup(0)
  if (!found) throw new Error('the config map is an array of one')
  settings.update(0, { ...found, fionreadHides: HIDES_REDIRECTED | HIDES_TCP })
  const send = async (): Promise<{ tcp: bigint; redirected: bigint }> => {
    const { redirectedBytes } = agent.counters()
    const { reasons } = await agent.status()
    await ask(ends, `hold ${LENGTH}`)
    t.match(await ask(ends, 'settle 60000'), { value: 1 })
    const now = (await agent.status()).reasons
    return {
      tcp: (now['unknown-reader'] ?? 0n) - (reasons['unknown-reader'] ?? 0n),
      redirected: agent.counters().redirectedBytes - redirectedBytes,
    }
  }
  t.strictSame(await send(), { tcp: 1n, redirected: 0n }, 'the reader has not read so much at once')
  await scans(mesh, 2)
  t.strictSame(await send(), { tcp: 0n, redirected: BigInt(LENGTH) }, 'now it has')
})
