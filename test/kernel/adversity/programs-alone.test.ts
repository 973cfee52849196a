/**
 * Checks of the watch and the accounting without any scan. They also run on kernels that refuse iterators over maps.
 */
import { test, type Test } from 'tap'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { Foreign } from './foreign.ts'
import { ProgramsAlone } from './programs-alone.ts'
import type { Scene } from './scenario.ts'
import { written } from './scenarios/foreign-options.ts'

type Stage = Pick<Scene, 'mesh' | 'say' | 'check'>

const stage = (t: Test, mesh: Mesh): Stage => ({
  mesh,
  say: (text) => {
    t.comment(text)
  },
  check: (name, ok, detail) => {
    t.ok(ok, name, { detail: detail ?? '' })
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
