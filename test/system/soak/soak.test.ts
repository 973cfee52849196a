import { test } from 'tap'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { soak } from './soak.ts'

void test('twenty seconds of everything leave nothing behind', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const seed = Math.floor(Math.random() * 2 ** 31)
  const done: string[] = []
  const report = await soak(mesh, seed, 20, (action) => done.push(action)).catch(
    (error: unknown) => {
      throw new Error(`failed with --seed ${seed}, after ${done.join(', ')}`, { cause: error })
    },
  )
  t.strictSame(report.leaks, [], `seed ${seed}`)
  t.ok(report.redirectedBytes > 0n && report.checkedBytes > 0, 'and something has happened')
})
