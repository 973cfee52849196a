import { test } from 'tap'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { differences } from './differences.ts'
import { differs } from './document.ts'
import { PODS, Suite } from './suite.ts'

/**
 * Differences on the host's kernel under other policies than its own. Under `proxies-only`, members whose reader is no
 * sidecar stay members on TCP, which this kernel hides from FIONREAD.
 */
const beyondDefault: Readonly<Record<string, readonly string[]>> = {
  full: [],
  'proxies-only': ['fionread'],
}

for (const [policy, more] of Object.entries(beyondDefault)) {
  void test(`what differs under the policy ${policy}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t, { pods: PODS })
    const suite = new Suite(mesh)
    const { cases } = await suite.compare(await suite.plain(), { flags: ['--policy', policy] })
    const unexplained = cases.filter((each) => differs(each) && !differences[each.name])
    t.strictSame(
      unexplained.map(({ name }) => name),
      more,
      { unexplained },
    )
  })
}
