import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { assertPlain, type Flows } from '../../../bench/modes/agent.ts'
import { type BenchArguments, planBench } from '../../../bench/plan.ts'
import { runBench } from '../../../bench/bench.ts'
import type { PodNetwork } from '../../../bench/topology/network.ts'
import { cgroup2Root } from '../../../bench/topology/scratch-cgroup.ts'
import { packageRoot } from '../../../src/lib/package.ts'
import { requireRoot } from '../../helpers/requirements.ts'

const given: BenchArguments = {
  proxy: 'haproxy',
  'proxy-binary': undefined,
  mesh: 'istio',
  redirect: undefined,
  scenario: 'keepalive',
  modes: 'iptables,naive',
  observe: undefined,
  connections: '2',
  payload: '81',
  duration: 0.3,
  rate: 500,
  rounds: 1,
  precision: undefined,
  timeLimit: undefined,
  quick: true,
}

const plan = planBench(given)

/** The objects that a run with this pid has left on the machine. */
function leftovers(pid: number): string[] {
  const name = `meshbench-${pid}`
  const places = ['/run/netns', cgroup2Root(), tmpdir(), '/sys/fs/bpf']
  const files = places.filter(existsSync).flatMap((place) =>
    readdirSync(place)
      .filter((entry) => entry === name || entry.startsWith(`${name}-`))
      .map((entry) => join(place, entry)),
  )
  return [...files, ...processesNaming(`${name}-`)]
}

function processesNaming(text: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return /^\d+$/.test(pid) && command.includes(text) ? [`process ${pid}: ${command}`] : []
    } catch {
      return []
    }
  })
}

const allowed = (): string =>
  readFileSync('/proc/sys/net/ipv4/tcp_allowed_congestion_control', 'utf8')

void test('a hop is measured with and without the bare mechanism, and nothing is left', async (t) => {
  if (!requireRoot(t)) return
  const before = allowed()
  const said: string[] = []
  const report = await runBench(plan, {
    signal: new AbortController().signal,
    say: (text) => said.push(text),
  })
  t.same(report.runs.map(({ mode }) => mode).toSorted(), ['iptables', 'naive'])
  for (const run of report.runs) {
    t.ok((run.qps ?? 0) > 0, `${run.mode}: ${run.qps} requests/s`)
    t.ok((run.cpuUsPerRequest ?? 0) > 0, `${run.cpuUsPerRequest} us of CPU per request`)
    t.ok((run.latencyUs?.p50 ?? 0) > 0)
    t.equal(run.errors, 0)
    t.match(run.openLoop, { rate: 500, unsentShare: 0 })
    t.ok((run.openLoop?.latencyUs.p50 ?? 0) > 0)
  }
  t.equal(report.comparisons.length, 2)
  t.equal(report.host.congestionControl, 'cubic')
  t.ok(said.length >= 2, 'it tells how it goes')
  t.same(leftovers(process.pid), [])
  t.equal(allowed(), before)
})

void test('on another node nothing is accelerated, and nothing is lost', async (t) => {
  if (!requireRoot(t)) return
  const remote = planBench({ ...given, scenario: 'remote', modes: 'meshaccel' })
  const said: string[] = []
  const { runs } = await runBench(remote, {
    signal: new AbortController().signal,
    say: (text) => said.push(text),
  })
  const meshed = runs.find(({ mode }) => mode === 'meshaccel')
  t.equal(meshed?.errors, 0)
  t.ok((meshed?.redirectedShare ?? 0) > 0, 'inside of the pods it is, by either agent')
  t.same(leftovers(process.pid), [])
})

const pod = (address: string): PodNetwork => ({ name: address, netns: '', address })

const flow = (client: string, server: string, path: string): Flows => ({
  flows: [
    {
      client: { address: client },
      server: { address: server },
      directions: [{ path, redirectedBytes: 0 }],
    },
  ],
})

void test('a connection between nodes that is not on TCP is an error', (t) => {
  const apart = { client: pod('10.0.0.1'), server: pod('10.0.0.2') }
  const check = (client: string, server: string, path: string) => (): void =>
    assertPlain(flow(client, server, path), apart)
  t.throws(check('10.0.0.1:999', '10.0.0.2:80', 'redirect'), { code: 'REMOTE_JOINED' })
  t.doesNotThrow(check('10.0.0.1:999', '10.0.0.2:80', 'tcp'))
  t.doesNotThrow(check('10.0.0.1:999', '127.0.0.1:15001', 'redirect'))
  t.doesNotThrow(check('127.0.0.6:999', '10.0.0.2:80', 'redirect'))
  t.doesNotThrow(check('10.0.0.1:999', '10.0.0.20:80', 'redirect'))
  t.end()
})

const runner = `
import { runBench } from '${join(packageRoot, 'bench/bench.ts')}'
const abort = new AbortController()
process.once('SIGINT', () => abort.abort())
const say = (text) => console.error(text)
runBench(${JSON.stringify(plan)}, { signal: abort.signal, say }).catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
`

for (const afterMs of [150, 600, 1200, 2000]) {
  void test(`an interrupt after ${afterMs} ms leaves nothing behind`, async (t) => {
    if (!requireRoot(t)) return
    const before = allowed()
    const args = ['--import=tsx', '--input-type=module', '--eval', runner]
    const child = spawn(process.execPath, args, { cwd: packageRoot, stdio: 'pipe' })
    const pid = child.pid ?? t.fail('it did not start')
    child.stdout.resume()
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const ended = once(child, 'close')
    // Node needs time before there is anything to leave behind.
    while (
      !existsSync(`/run/netns/meshbench-${Number(pid)}-plain-node`) &&
      child.exitCode === null
    ) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    setTimeout(() => child.kill('SIGINT'), afterMs)
    await ended
    t.equal(child.exitCode, 1, stderr)
    t.match(stderr, 'interrupted')
    t.same(leftovers(Number(pid)), [])
    t.equal(allowed(), before)
  })
}
