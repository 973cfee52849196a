import { test } from 'tap'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { differences } from './differences.ts'
import { differs } from './document.ts'
import { PODS, Suite } from './suite.ts'

/**
 * Policies beyond that of the host's kernel, and whether the case `fionread` always differs there. This kernel hides the
 * TCP bytes of members from FIONREAD. Under `proxies-only`, members whose reader is no sidecar stay members on TCP. Under
 * `full`, a busy agent that misses its scans leaves members on TCP for that time.
 */
const fionreadDiffers: Readonly<Record<string, 'always' | 'perhaps'>> = {
  full: 'perhaps',
  'proxies-only': 'always',
}

for (const [policy, expected] of Object.entries(fionreadDiffers)) {
  void test(`what differs under the policy ${policy}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t, { pods: PODS })
    const suite = new Suite(mesh)
    const { cases } = await suite.compare(await suite.plain(), { flags: ['--policy', policy] })
    const unexplained = cases.filter((each) => differs(each) && !differences[each.name])
    const others = unexplained.filter(({ name }) => name !== 'fionread')
    t.strictSame(others, [], 'nothing but FIONREAD differs')
    if (expected === 'always') t.notSame(unexplained, others, 'FIONREAD differs')
  })
}
