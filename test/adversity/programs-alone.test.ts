/** What the watch and the accounting alone must do, without a scan: also on kernels that refuse iterators over maps. */
import { test, type Test } from 'tap'
import { Mesh } from '../helpers/mesh.ts'
import { requireRoot } from '../helpers/requirements.ts'
import { until } from '../helpers/retry.ts'
import { ask } from './ask.ts'
import { Foreign } from './foreign.ts'
import { ProgramsAlone } from './programs-alone.ts'
import type { Scene } from './scenario.ts'
import { written } from './scenarios/foreign-options.ts'
import { steer } from './scenarios/resets.ts'

const CONNECTIONS = 400
const ROUNDS = 60

type Stage = Pick<Scene, 'mesh' | 'say' | 'check'>

const stage = (t: Test, mesh: Mesh): Stage => ({
  mesh,
  say: (text) => {
    t.comment(text)
  },
  check: (name, ok, detail = '') => {
    t.ok(ok, name, { detail })
  },
})

for (const enrolled of [false, true]) {
  void test(`all options of another agent are written; pods enrolled: ${enrolled}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t)
    using options = Foreign.options(mesh)
    const scene = stage(t, mesh)
    await written(scene, options, 'before ours')
    {
      using ours = new ProgramsAlone(mesh)
      for (const pod of enrolled ? mesh.pods : []) ours.enable(pod)
      await written(scene, options, 'with ours')
    }
    await written(scene, options, 'after ours')
  })
}

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
    await ask(resets, 'turn')
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
