import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { runBench } from '../../../bench/bench.ts'
import { type BenchArguments, planBench } from '../../../bench/plan.ts'
import type { Report } from '../../../bench/report.ts'
import { meshes } from '../../../bench/topology/mesh.ts'
import { benchArguments } from '../../helpers/bench-arguments.ts'
import { buildLinkerdProxy } from '../../helpers/linkerd-proxy/build.ts'
import { requireRoot } from '../../helpers/requirements.ts'

const given: BenchArguments = {
  ...benchArguments,
  proxy: 'linkerd',
  modes: 'iptables,meshaccel',
  connections: '2',
  payload: '81',
  duration: 0.3,
  rounds: 1,
  quick: true,
}

const bench = async (binary: string, scenario = 'keepalive'): Promise<Report> =>
  runBench(planBench({ ...given, 'proxy-binary': binary, scenario }), {
    signal: new AbortController().signal,
    say: () => undefined,
  })

function check(t: Test, { proxy, mesh, runs, software }: Report): void {
  t.equal(proxy, 'linkerd2-proxy')
  t.equal(mesh, 'linkerd')
  t.match(software['linkerd2-proxy'], /./)
  for (const { scenario, mode, qps, errors, redirectedShare } of runs) {
    t.ok((qps ?? 0) > 0, `${scenario}, ${mode}: ${qps} requests/s`)
    t.equal(errors, 0)
    t.equal((redirectedShare ?? 0) > 0, mode === 'meshaccel', `${mode}: ${redirectedShare}`)
  }
}

void test("a proxy that starts as Linkerd's does is measured", async (t) => {
  if (!requireRoot(t)) return
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-linkerd-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  chmodSync(directory, 0o755)
  const binary = buildLinkerdProxy(directory, meshes.linkerd.proxyUid)
  const report = await bench(binary)
  check(t, report)
  t.same(report.runs.map(({ mode }) => mode).toSorted(), ['iptables', 'meshaccel'])
  t.equal(report.software['linkerd2-proxy'], '0.0.0-test')
})

const real = process.env['MESHACCEL_LINKERD_PROXY']
const skip = real ? false : 'MESHACCEL_LINKERD_PROXY names no linkerd2-proxy'

void test("Linkerd's own proxy is measured", { skip }, async (t) => {
  if (real === undefined || !requireRoot(t)) return
  const report = await bench(real, 'keepalive,mtls')
  check(t, report)
  t.equal(report.runs.length, 4)
})
