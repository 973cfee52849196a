import type { Test } from 'tap'
import { kubectl, run } from '../kubectl.ts'
import { release, system, type World } from '../world.ts'

const SECONDS = 20

export async function uninstall(story: Test, world: World): Promise<void> {
  await story.test('it costs little until then', async (t) => {
    const costs = async (what: string): Promise<void> => {
      const { rssMiB, cpuPercent } = await world.footprint(SECONDS)
      t.comment(`${what} ${rssMiB} MiB, ${cpuPercent} % of a core`)
      t.ok(rssMiB < 200, `${rssMiB} MiB`)
    }
    await costs('with traffic')
    await world.toggleClient()
    await costs('with idle connections')
    await world.toggleClient()
  })

  const before = await world.client()
  await story.test('with traffic on the fast path', async (t) => {
    await world.redirects(Date.now())
    await run('helm', ['uninstall', release, '-n', system, '--wait', '--timeout=5m'])
    await world.assertUnharmed(t, before)
  })

  await story.test('the node is as before', async (t) => {
    t.notMatch(await world.onNode('ls', '/host/sys/fs/bpf'), 'meshaccel', 'pins')
    const programs = await world.onNode('bpftool', 'prog', 'show')
    t.notMatch(programs, /name meshaccel/, 'programs')
    t.notMatch(await world.onNode('bpftool', 'map', 'show'), /name meshaccel/, 'maps')
    t.notMatch(await world.onNode('sh', '-c', 'cat /host/etc/cni/net.d/*'), 'meshaccel', 'CNI')
    t.notMatch(
      await world.onNode('ls', '/host/etc/cni/net.d', '/host/opt/cni/bin'),
      'meshaccel',
      'CNI files',
    )
  })

  await story.test('so is the cluster', async (t) => {
    const kinds =
      'daemonsets,jobs,pods,serviceaccounts,roles,rolebindings,configmaps,secrets,services'
    const ours = [
      '-A',
      '-l',
      'app.kubernetes.io/name in (meshaccel, meshaccel-cleanup)',
      '-o',
      'name',
    ]
    t.equal(await kubectl('get', kinds, ...ours), '')
    t.notMatch(await kubectl('get', 'clusterroles,clusterrolebindings', '-o', 'name'), 'meshaccel')
  })
}
