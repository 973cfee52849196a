import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { until } from '../../../helpers/retry.ts'
import { runCommand } from '../../../helpers/cli-run.ts'
import { getObjects, run } from '../kubectl.ts'
import { annotate, shop, system, type KubePod, type World } from '../world.ts'
import { within } from '../within.ts'

/** Checks the promises about connections that are older than their pods' enrolment. */
const joinedWithinMs = 2_000

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
  await annotate(['namespace', shop], 'enabled=true')
  const before = await world.client()
  const began = Date.now()
  await world.helmInstall()

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

  await story.test('connections that were there before are fast', async (t) => {
    const redirected = await world.redirects(began)
    const enrolled = (await world.log()).filter(({ msg }) => msg === 'enrolled')
    const pods = new Set(enrolled.map(({ pod }) => pod))
    t.strictSame(pods, new Set([`${shop}/cart`, `${shop}/stock`]))
    const last = Math.max(...enrolled.map(({ time }) => Date.parse(time)))
    within(t, 'redirected after the enrolment', redirected - last, joinedWithinMs)
    await world.assertUnharmed(t, before)
  })

  await story.test('the CNI plugin is chained in, if it is asked for', async (t) => {
    const ours = (): Promise<string> =>
      world.onNode('sh', '-c', 'grep -l meshaccel-cni /host/etc/cni/net.d/* || true')
    if (world.hasPlugin)
      await until('the plugin is in the chain', async () => (await ours()) !== '')
    else t.equal(await ours(), '')
    const binaries = await world.onNode('ls', '/host/opt/cni/bin')
    t.equal(binaries.includes('meshaccel-cni'), world.hasPlugin, binaries)
  })
}
