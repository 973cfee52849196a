/** Each close of a watched socket is seen, without a scan that looks again: also on kernels that refuse its iterator. */
import { test } from 'tap'
import { Mesh } from '../helpers/mesh.ts'
import { requireRoot } from '../helpers/requirements.ts'
import { until } from '../helpers/retry.ts'
import { ask } from './ask.ts'
import { ProgramsAlone } from './programs-alone.ts'
import { steer } from './scenarios/resets.ts'

const CONNECTIONS = 400
const ROUNDS = 30

void test('each close is seen, also of thousands of resets under receive packet steering', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const pod = mesh.pod(0)
  steer({ mesh })
  using ours = new ProgramsAlone(mesh)
  ours.enable(pod)
  await using resets = pod.run<{ event: string }>('resets', [String(CONNECTIONS)])
  for (let round = 0; round < ROUNDS; round++) {
    await ask(resets, 'open')
    await ask(resets, 'reset')
  }
  const unseen = (): bigint => {
    const { watched, closed } = ours.counters()
    return watched - closed
  }
  await until('all closes are seen', () => unseen() === 0n, { attempts: 50 }).catch(() => undefined)
  const { watched } = ours.counters()
  t.equal(watched, BigInt(2 * CONNECTIONS * ROUNDS), 'all ends were watched')
  t.equal(unseen(), 0n, `${unseen()} of ${watched} closes are not seen`)
})
