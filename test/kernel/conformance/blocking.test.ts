import { test } from 'tap'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { brokenCases, PODS, Suite } from './suite.ts'

/** Cases with blocking readers. Some end before their way of reading is known. */
const AT_LEAST = 30

void test('by default a blocking reader sees what plain TCP shows', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: PODS, blockingReaders: 'leave' })
  const suite = new Suite(mesh)
  const plain = await suite.plain()
  t.strictSame(brokenCases(plain), [], 'all run on plain TCP', { plain })
  const { cases } = await suite.compare(plain, { arms: ['joined'] })
  const left = cases.filter(({ arms }) => arms.joined?.membership === 'blocking-reader')
  t.comment(`${left.length} of ${cases.length} cases block`)
  t.ok(left.length >= AT_LEAST, `${left.length} are left alone`)
  for (const { name, arms } of left) {
    t.strictSame(arms.joined?.difference ?? [], [], name)
  }
})
