import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'
import { holds, parsePlace, WatchedCgroup } from '../../../src/datapath/watched-cgroup.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

const isIn = (outer: string, inner: string): boolean | undefined =>
  holds(parsePlace(outer), parsePlace(inner))

void test('which cgroups lie in which, as a process sees them', async (t) => {
  t.equal(isIn('/', '/kubepods/pod1'), true)
  t.equal(isIn('/kubepods', '/kubepods'), true)
  t.equal(isIn('/kubepods', '/kubepods/pod1'), true)
  t.equal(isIn('/kubepods', '/kubepods-other'), false)
  t.equal(isIn('/kubepods', '/system.slice'), false)
  // Seen from inside a cgroup namespace, an outside cgroup begins with /.. .
  t.equal(isIn('/', '/../pod2'), false)
  t.equal(isIn('/', '/../../system.slice'), false)
  // The whole hierarchy is mounted from outside of the namespace.
  t.equal(isIn('/../..', '/../../kubepods/pod1'), true)
  t.equal(isIn('/../..', '/own'), true)
  t.equal(isIn('/../../kubepods', '/own'), undefined)
})

/** A process in a network namespace and in a cgroup, until the test ends. */
async function sleeper(t: Test, netns: string, cgroup: string): Promise<ChildProcess> {
  const child = spawn('nsenter', [`--net=/run/netns/${netns}`, '--', 'sh', '-c', 'echo; read _'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  })
  writeFileSync(join(cgroup, 'cgroup.procs'), String(child.pid))
  await once(child.stdout, 'data')
  return child
}

void test('tells by its processes whether a namespace is inside', async (t) => {
  if (!requireRoot(t)) return
  const name = `meshaccel-test-watched-${process.pid}`
  const cgroup = join(findCgroup2(), name)
  mkdirSync(cgroup)
  t.teardown(() => until('the cgroup is empty', () => removed(cgroup)))
  execFileSync('ip', ['netns', 'add', name])
  t.teardown(() => execFileSync('ip', ['netns', 'delete', name]))
  const ref = { path: `/run/netns/${name}` }

  t.equal(new WatchedCgroup(findCgroup2()).membership(ref), 'inside', 'nothing is outside the root')
  const watched = new WatchedCgroup(cgroup, { lookEveryMs: 0 })
  t.notOk(watched.seesAll)
  t.equal(watched.membership(ref), 'unknown', 'before its first process')
  await sleeper(t, name, findCgroup2())
  t.equal(watched.membership(ref), 'unknown', 'it may be one that passes through')
  t.equal(watched.membership(ref), 'outside')
  await sleeper(t, name, cgroup)
  t.equal(watched.membership(ref), 'inside')
})

function removed(cgroup: string): boolean {
  try {
    rmdirSync(cgroup)
    return true
  } catch {
    return false
  }
}

void test('an agent enrols no pod that it does not see, and says why', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 2 })
  const [seen, unseen] = [mesh.pod(0), mesh.pod(1)]
  const child = seen.start('sleep', 'infinity')
  t.teardown(() => child.kill())
  await sleeper(t, `${mesh.id}-${unseen.name}`, findCgroup2())
  const agent = await mesh.startAgent()
  const reasonOf = async (name: string): Promise<string | undefined> => {
    const { pods } = await agent.client.call('Pods', {})
    return pods.find((pod) => pod.name === name)?.reason
  }
  await until(
    'the pod outside is told',
    async () => (await reasonOf(unseen.name)) === 'outside-cgroup',
  )
  t.not(await reasonOf(seen.name), 'outside-cgroup')
  t.match(agent.log, /its processes run outside of the cgroup that the agent watches/)
})
