/** A self-test leaves no scratch cgroup behind, wherever it fails. */
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn, spawnSync } from 'node:child_process'
import { test, type Test } from 'tap'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'
import { removeAll } from '../../../src/datapath/pins/pin-directory.ts'
import { selfTest } from '../../../src/datapath/selftest/self-test.ts'
import { cli } from '../../helpers/agent-process.ts'
import { until } from '../../helpers/retry.ts'
import { requireRoot } from '../../helpers/requirements.ts'

/** A cgroup of the test. It ends with all that is left in it. */
function scratch(t: Test): string {
  const cgroup = join(findCgroup2(), `meshaccel-test-left${process.pid}-${t.name.length}`)
  mkdirSync(cgroup)
  t.teardown(() => {
    for (const left of leftIn(cgroup)) rmdirSync(join(cgroup, left))
    rmdirSync(cgroup)
    const pins = readdirSync('/sys/fs/bpf').filter((name) => name.includes(`left${process.pid}`))
    for (const left of pins) removeAll(join('/sys/fs/bpf', left))
  })
  return cgroup
}

const leftIn = (cgroup: string): string[] =>
  readdirSync(cgroup, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)

void test('where pins cannot be made', async (t) => {
  if (!requireRoot(t)) return
  const cgroupPath = scratch(t)
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-left-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const nowhere = ['/proc/self/pins', '/dev/null/pins']
  for (const pinDir of [join(directory, 'pins'), join(directory, 'missing/pins'), ...nowhere]) {
    t.match(await selfTest({ cgroupPath, pinDir }), { policy: 'refused' })
    t.strictSame(leftIn(cgroupPath), [], pinDir)
  }
})

void test('where descriptors run out', async (t) => {
  if (!requireRoot(t)) return
  const cgroup = scratch(t)
  const place = ['--cgroup', cgroup, '--pin', `/sys/fs/bpf/meshaccel-test-left${process.pid}`]
  for (const descriptors of [22, 26, 30, 40, 60]) {
    const limit = ['prlimit', `--nofile=${descriptors}`, process.execPath, cli]
    const { status } = spawnSync('nice', [...limit, 'doctor', ...place])
    t.comment(`${descriptors} descriptors: exit ${status}`)
    t.strictSame(leftIn(cgroup), [], `${descriptors} descriptors`)
  }
})

void test('when it is ended', async (t) => {
  if (!requireRoot(t)) return
  const cgroupPath = scratch(t)
  const pinDir = `/sys/fs/bpf/meshaccel-test-left${process.pid}`
  const abort = new AbortController()
  const result = selfTest({ cgroupPath, pinDir }, { signal: abort.signal })
  abort.abort()
  t.match(await result, { policy: 'refused' })
  t.strictSame(leftIn(cgroupPath), [])
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  void test(`when the doctor gets ${signal}`, async (t) => {
    if (!requireRoot(t)) return
    const cgroup = scratch(t)
    const place = ['--cgroup', cgroup, '--pin', `/sys/fs/bpf/meshaccel-test-left${process.pid}`]
    const doctor = spawn(process.execPath, [cli, 'doctor', ...place], { stdio: 'ignore' })
    const ended = new Promise((resolve) => doctor.on('close', resolve))
    await until('it is under way', () => leftIn(cgroup).length > 0 || doctor.exitCode !== null, {
      pauseMs: 1,
      attempts: 3000,
    })
    doctor.kill(signal)
    await ended
    // Its process may end a little later.
    await until('nothing is left', () => leftIn(cgroup).length === 0, { attempts: 50 }).catch(
      () => undefined,
    )
    t.strictSame(leftIn(cgroup), [])
    const pins = readdirSync('/sys/fs/bpf').filter((name) => name.includes(`left${process.pid}`))
    t.strictSame(pins, [], 'nor pins')
  })
}
