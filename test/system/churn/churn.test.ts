import { test } from 'tap'
import { requireRoot } from '../../helpers/requirements.ts'
import { churn } from './churn.ts'

void test('pods that churn on a real node, under faults: maps and connections are what they should be', async (t) => {
  if (!requireRoot(t)) return
  const seed = Math.floor(Math.random() * 2 ** 31)
  const options = { pods: 24, rate: 5, namespaces: 600, seconds: 4, cniPercent: 50, seed }
  // Rejects if they do not converge.
  const report = await churn(options, (text) => t.comment(text)).catch((cause: unknown) => {
    throw new Error(`failed with --seed ${seed}`, { cause })
  })
  const { idle, churn: calm, 'churn with faults': faulty } = report.phases
  t.equal(idle.events, 0)
  t.equal(calm.replaced, 20)
  // Eight of each pod that goes and the next one that comes.
  t.equal(calm.events, 8 * 20)
  t.equal(faulty.replaced, 20)
  t.ok(report.faults.length > 0)
  t.ok(report.enrolled > 0 && report.connections === report.enrolled)
  t.ok(report.enrolledAfterMs.count > 0)
  t.ok(report.plugin.enrolled > 0 && report.plugin.addMs.count > 0)
})
