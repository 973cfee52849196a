import { t as root, test } from 'tap'
import { requireRoot } from '../../helpers/requirements.ts'
import { play } from './scenario.ts'
import { scenarios } from './scenarios.ts'

/** Each scenario takes some ten seconds, and several times as long on a busy machine. */
root.setTimeout(1_500_000)

for (const [key, scenario] of Object.entries(scenarios)) {
  if (scenario.guestOnly) continue
  void test(`${key}: ${scenario.name}`, { skip: scenario.byNameOnly ?? false }, async (t) => {
    if (!requireRoot(t)) return
    const checks = await play(scenario, (text) => {
      t.comment(text)
    })
    for (const { name, ok, detail } of checks) t.ok(ok, name, { detail })
  })
}
