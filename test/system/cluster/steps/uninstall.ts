import type { Test } from 'tap'
import { until } from '../../../helpers/retry.ts'
import { kubectl, run } from '../kubectl.ts'
import { release, system, type World } from '../world.ts'

const SECONDS = 10

export async function uninstall(story: Test, world: World): Promise<void> {
  await story.test('it costs little until then', async (t) => {
    // The cost includes scrapes of its metrics twenty times a second.
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
  // Programs hold the maps that they use: without maps there is no program. Other software on this machine may have
  // some.
  const pins =
    'for pin in $(find /host/sys/fs/bpf/meshaccel -type f); do bpftool map show pinned $pin; done 2>/dev/null'
  const maps = idsIn(await world.onNode('sh', '-c', `${pins}; true`))
  story.ok(maps.length > 0, `${maps.length} maps`)
  // The binary stays while the runtime must disconnect a pod through the plugin. The pods of the bench were deleted
  // without grace, and the API server does not wait for those.
  await until('nobody is connected through the plugin', async () => {
    const configurations = `sed -n 's/.*"config":"\\([^"]*\\)".*/\\1/p' /host/var/lib/cni/results/* | base64 -d`
    return !(await world.onNode('sh', '-c', configurations)).includes('meshaccel')
  })
  await story.test('with traffic on the fast path', async (t) => {
    await world.redirects(Date.now())
    await run('helm', ['uninstall', release, '-n', system, '--wait', '--timeout=5m'])
    await world.assertUnharmed(t, before)
  })

  await story.test('the node is as before', async (t) => {
    t.notMatch(await world.onNode('ls', '/host/sys/fs/bpf'), 'meshaccel', 'pins')
    await until('the kernel has none of the maps', async () => {
      const left = idsIn(await world.onNode('bpftool', 'map', 'show'))
      return maps.every((id) => !left.includes(id))
    })
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
    // Helm does not wait for the pods of what it deletes last.
    await until(
      'nothing of ours is left',
      async () => (await kubectl('get', kinds, ...ours)) === '',
    )
    t.notMatch(await kubectl('get', 'clusterroles,clusterrolebindings', '-o', 'name'), 'meshaccel')
  })
}

/** The names of objects in bpftool's list. */
function idsIn(listing: string): string[] {
  return [...listing.matchAll(/^(\d+):/gm)].map(([, id = '']) => id)
}
