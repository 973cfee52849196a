import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { release } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'tap'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'
import { consequences } from '../../../src/datapath/selftest/policy.ts'
import { selfTest } from '../../../src/datapath/selftest/self-test.ts'
import { loadedPrograms } from 'libbpf'
import { cli } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic } from '../../helpers/traffic.ts'

const ours = (): number[] =>
  loadedPrograms().flatMap(({ id, name }) => (name.startsWith('meshaccel_') ? [id] : []))

void test('asks this kernel everything, and leaves nothing', async (t) => {
  if (!requireRoot(t)) return
  const cgroupPath = join(findCgroup2(), `meshaccel-test-doctor${process.pid}`)
  const pinDir = `/sys/fs/bpf/meshaccel-test-doctor${process.pid}`
  mkdirSync(cgroupPath)
  t.teardown(() => rmdirSync(cgroupPath))
  const before = ours()
  const { policy, refusedBecause, probes } = await selfTest({ cgroupPath, pinDir })
  t.strictSame(
    probes.map(({ name }) => name),
    consequences.map(([name]) => name),
  )
  for (const { name, ok, detail } of probes) t.comment(`${name}: ${ok ? 'ok' : 'no'}, ${detail}`)
  t.equal(refusedBecause, undefined)
  t.not(policy, 'refused', 'this kernel runs all other tests')
  t.notOk(readdirSync('/sys/fs/bpf').some((name) => name.startsWith(basename(pinDir))))
  t.notOk(readdirSync(cgroupPath).some((name) => name.startsWith('meshaccel-')))
  await until('no program is left', () => ours().every((id) => before.includes(id)))
})

void test('the doctor prints it, and the agent follows it', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const where = ['--cgroup', mesh.cgroup, '--pin', mesh.pinDir]
  const shown = execFileSync(process.execPath, [cli, 'doctor', ...where, '-o', 'json'])
  const doctor: { kernel: string; policy: string; probes: unknown[] } = JSON.parse(String(shown))
  t.equal(doctor.kernel, release())
  t.equal(doctor.probes.length, consequences.length)
  t.match(
    String(execFileSync(process.execPath, [cli, 'doctor', ...where])),
    new RegExp(`policy ${doctor.policy}: [^]*\\nok +programs-load `),
  )
  const first = await mesh.startAgent('--policy', 'auto')
  t.equal((await first.status()).policy, doctor.policy)
  await first.kill('SIGTERM')
  const second = await mesh.startAgent('--policy', 'auto')
  t.notMatch(second.log, /self-test/, 'what is adopted was tested before')
  t.equal((await second.status()).policy, doctor.policy)
})

void test('what cannot be tested is refused', async (t) => {
  const place = { cgroupPath: '/proc/nonexistent', pinDir: '/sys/fs/bpf/meshaccel-test-none' }
  t.match(await selfTest(place), {
    policy: 'refused',
    refusedBecause: /the cgroup \/proc\/nonexistent does not exist/,
  })
})

void test('a self-test that hears nothing for too long is no verdict, and leaves nothing', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 0 })
  const before = ours()
  const place = { cgroupPath: mesh.cgroup, pinDir: mesh.pinDir }
  const result = await selfTest(place, { silenceMs: 1 })
  t.match(result, {
    policy: 'refused',
    undecided: true,
    refusedBecause: 'self-test: no answer for 0.001 s after its start',
  })
  t.notOk(readdirSync(mesh.cgroup).some((name) => name.startsWith('meshaccel-')))
  t.notOk(readdirSync('/sys/fs/bpf').some((name) => name.startsWith(basename(mesh.pinDir))))
  await until('no program is left', () => ours().every((id) => before.includes(id)))
})

const PROXY_ID = 1337

for (const [who, name, joins, ids] of [
  ['the sidecar', 'istio', true, { uid: PROXY_ID }],
  ['anybody else', 'istio', false, {}],
  ['a proxy as root, told by its gid,', 'ambient', true, { gid: PROXY_ID }],
  ['anybody else as root', 'ambient', false, {}],
] as const) {
  void test(`proxies-only: what ${who} reads`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t, { name })
    const agent = await mesh.startAgent('--policy', 'proxies-only')
    const options = { address: mesh.pod(1).address, mode: 'edge', ...ids }
    await using serving = await Traffic.start(mesh.pod(1), 'server', options)
    await using calling = await Traffic.start(mesh.pod(0), 'client', { ...options, pauseUs: 100 })
    if (joins) {
      await until(
        'it is redirected',
        async () => (await agent.status()).totals.redirectedBytes > 0n,
      )
    } else {
      const unknown = async (): Promise<bigint> =>
        (await agent.status()).reasons['unknown-reader'] ?? 0n
      await until('it is kept on TCP', async () => (await unknown()) > 100n)
      t.equal((await agent.status()).totals.redirectedBytes, 0n)
    }
    t.match(await calling.end(), { finished: 1, error: '' })
    t.match(await serving.end(), { finished: 1, error: '' })
  })
}
