import type { Test } from 'tap'
import type { Report } from '../../../../bench/report.ts'
import { injectSidecars } from '../injector.ts'
import { kubectl, run } from '../kubectl.ts'
import type { World } from '../world.ts'

const BYTES = 65_536
const SECONDS = 3

/** Runs the bench as users do, in the cluster's own mesh. */
export async function bench(t: Test, world: World): Promise<void> {
  await injectSidecars(t)
  const before = await world.client()
  // The bytes that are redirected meanwhile belong to the bench.
  await world.toggleClient()
  const { totals } = await world.status()
  const image = process.env['BENCH_IMAGE']
  const options = [
    `--payload=${BYTES}`,
    `--duration=${SECONDS}`,
    '--connections=4',
    '--rounds=1',
    `--node=${world.nodeName}`,
    '--output=json',
    ...(image === undefined ? [] : [`--image=${image}`]),
  ]
  const report: Report = JSON.parse(await run('meshaccel', ['bench', '--kubernetes', ...options]))
  const after = await world.status()
  await world.toggleClient()

  t.match(report, { proxy: 'envoy', mesh: 'istio', kubernetes: { node: world.nodeName } })
  const qps = (wanted: string): number =>
    report.runs.find(({ mode }) => mode === wanted)?.qps ?? NaN
  const ratio = qps('meshaccel') / qps('iptables')
  for (const { mode, qps: each } of report.runs) t.comment(`${mode}: ${each} requests/s`)
  t.ok(ratio > 0, `${ratio.toFixed(2)} times the requests`)
  // Each answer crosses three connections of this node.
  const redirected = Number(after.totals.redirectedBytes) - Number(totals.redirectedBytes)
  const sent = qps('meshaccel') * SECONDS * BYTES
  t.ok(redirected > sent, `${redirected} bytes redirected, ${Math.round(sent)} of answers`)

  const arms = (await world.log())
    .filter(({ pod, msg }) => msg === 'enrolled' && pod?.startsWith('meshaccel-bench-'))
    .map(({ pod = '' }) => pod.replace(/.*-(\w+)\/.*/, '$1'))
  t.strictSame(
    [...new Set(arms)],
    ['fast'],
    'only the pods of the annotated namespace are enrolled',
  )
  const left = await kubectl(
    'get',
    'namespaces',
    '-o',
    'name',
    '-l',
    'app.kubernetes.io/part-of=meshaccel-bench',
  )
  t.equal(left, '', 'its namespaces are gone')
  await world.assertUnharmed(t, before)
}
