import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { until } from '../../helpers/retry.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { getObjects, run } from '../kubectl.ts'
import { helmInstall, system, type KubePod, type World } from '../world.ts'

export async function install(story: Test, world: World): Promise<void> {
  await story.test('the API server takes the manifests', async (t) => {
    const { stdout } = await runCommand(['manifests'])
    // A dry run makes no namespace for the rest.
    const manifests = stdout.replaceAll('meshaccel-system', system)
    const taken = await run(
      'kubectl',
      ['apply', '--dry-run=server', '-o', 'name', '-f', '-'],
      manifests,
    )
    const kinds = parseAllDocuments(manifests).map((document): { kind?: string } => document.toJS())
    t.equal(taken.trim().split('\n').length, kinds.filter((manifest) => manifest?.kind).length)
    t.match(taken, 'daemonset.apps/meshaccel')
  })

  await world.makeTraffic()
  const before = await world.client()
  await helmInstall()

  await story.test('the agent is ready once it is in step, with few privileges', async (t) => {
    const log = await world.log()
    const said = log.map(({ msg }) => msg)
    t.ok(said.includes('in step with its pods'), said.join('\n'))
    const { spec } = await getObjects<KubePod>('pod', '-n', system, await world.agentPod())
    for (const { name, securityContext } of spec.containers) {
      t.notOk(securityContext?.privileged, name)
      t.ok(securityContext?.capabilities?.add, name)
    }
    const status = await world.status()
    t.match(status, { state: 'accelerating', source: { name: 'kubernetes', synced: true } })
    t.comment(`policy ${status.policy} on ${status.kernel}`)
  })

  await story.test('nothing is enrolled that nobody has asked for', async (t) => {
    for (const name of ['cart', 'stock']) {
      t.match(await world.seen(name), { mesh: 'istio', enrolled: false, reason: 'disabled' }, name)
    }
    const { totals } = await world.status()
    t.equal(totals.redirectedBytes, 0)
    await world.assertUnharmed(t, before)
  })

  await story.test('the CNI plugin is chained in', async (t) => {
    const conflists = await until('the plugin is there', async () => {
      const text = await world.onNode('sh', '-c', 'cat /host/etc/cni/net.d/*.conflist')
      return text.includes('meshaccel-cni') && text
    })
    t.match(await world.onNode('ls', '/host/opt/cni/bin'), 'meshaccel-cni', conflists)
  })
}
