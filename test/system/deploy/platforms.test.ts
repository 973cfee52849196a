import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'
import {
  chart,
  hostPath,
  judge,
  manifestsOf,
  podsOf,
  type Case,
  type Verdict,
} from './admission.ts'

const page = readFileSync(join(packageRoot, 'docs/PLATFORMS.md'), 'utf8')
const schema: { readonly properties: { readonly platform: { readonly enum: readonly string[] } } } =
  JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8'))
const platforms = schema.properties.platform.enum.filter((name) => name !== '')

/** A row of the page's table. */
interface Row {
  readonly platform: string
  readonly binDir: string
  readonly confDir: string
  readonly criDir: string
}

const rows: Row[] = [
  ...page.matchAll(/^\| `([a-z0-9]+)` +\| `([^`]+)` +\| `([^`]+)` +\| `([^`]+)` +\|/gm),
].map(([, platform = '', binDir = '', confDir = '', criDir = '']) => ({
  platform,
  binDir,
  confDir,
  criDir,
}))

/** Without the plugin it has no path. */
const withoutPlugin = new Set(['openshift'])

/** The names of the objects of a kind. */
const kinds = (verdict: Verdict | undefined, wanted: string): string[] =>
  manifestsOf(verdict?.manifests)
    .filter((manifest) => manifest.kind === wanted)
    .map(({ metadata }) => metadata.name)

void test('each platform: valid, admitted, and with the directories that the page names', async (t) => {
  t.strictSame(
    rows.map(({ platform }) => platform),
    platforms,
    'the page and the schema name the same ones',
  )
  const verdicts = judge(
    t,
    rows.map(({ platform }): Case => ({ values: `platform: ${platform}` })),
  )
  if (!verdicts) return
  for (const [index, { platform, binDir, confDir, criDir }] of rows.entries()) {
    const verdict = verdicts[index]
    t.equal(verdict?.error, undefined, platform)
    t.strictSame(verdict?.problems, [], platform)
    const agent = podsOf(verdict?.manifests).get('meshaccel')
    const cleanup = podsOf(verdict?.manifests).get('meshaccel-cleanup')
    if (!agent || !cleanup) throw new Error(`${platform}: no pods`)
    t.equal(hostPath(agent, 'cri'), criDir, platform)
    const plugin = !withoutPlugin.has(platform)
    t.equal(hostPath(agent, 'cni-bin'), plugin ? binDir : undefined, platform)
    t.equal(hostPath(agent, 'cni-conf'), plugin ? confDir : undefined, platform)
    t.equal(hostPath(cleanup, 'cni-bin'), binDir, `${platform}: also where it is off now`)
    t.equal(hostPath(cleanup, 'cni-conf'), confDir, platform)
  }
})

void test('the pods need the level that the page names, for the reasons that it names', async (t) => {
  const verdicts = judge(
    t,
    platforms.map((platform): Case => ({ values: `platform: ${platform}` })),
  )
  if (!verdicts) return
  const reasonsOf = (what: string): string[] =>
    new RegExp(`^- ${what}: (.*)\\.$`, 'm').exec(page)?.[1]?.split(', ').toSorted() ?? []
  t.match(page, /\*\*The level is `privileged`\.\*\*/)
  for (const [index, platform] of platforms.entries()) {
    for (const { kind, name, refusals } of verdicts[index]?.pods ?? []) {
      const about = `${platform}: ${kind} ${name}`
      t.strictSame(refusals.privileged, [], about)
      const nested = ['k3d', 'kind', 'minikube'].includes(platform) ? ['privileged'] : []
      const told = kind === 'Job' ? reasonsOf('a Job') : [...reasonsOf('a DaemonSet'), ...nested]
      const probes = name === 'meshaccel' ? ['probe or lifecycle host'] : []
      t.strictSame(refusals.baseline.toSorted(), [...told, ...probes].toSorted(), about)
    }
  }
})

void test('platforms that the API server tells', async (t) => {
  const told: readonly (readonly [platform: string, Case])[] = [
    ['gke', { kubeVersion: 'v1.34.1-gke.1829001' }],
    ['eks', { kubeVersion: 'v1.33.5-eks-ba24e9c' }],
    ['k3s', { kubeVersion: 'v1.34.1+k3s1' }],
    [
      'openshift',
      {
        kubeVersion: 'v1.33.4',
        apiVersions: ['security.openshift.io/v1', 'route.openshift.io/v1'],
      },
    ],
    ['none', { kubeVersion: 'v1.34.2' }],
  ]
  const verdicts = judge(
    t,
    told.flatMap(([platform, there]): Case[] => [
      there,
      { ...there, values: platform === 'none' ? '' : `platform: ${platform}` },
      { ...there, values: 'platform: microk8s' },
    ]),
  )
  if (!verdicts) return
  for (const [index, [platform]] of told.entries()) {
    const [detected, named, other] = verdicts.slice(3 * index)
    t.match(detected?.notes, `Platform: ${platform}`)
    t.equal(detected?.manifests, named?.manifests, `${platform}: as if it were named`)
    const warning = `\`platform\` says microk8s, and the API server looks like ${platform}`
    const warned = other?.notes?.includes(warning) === true
    t.equal(warned, platform !== 'none', platform)
  }
})

void test('what a platform asks for', async (t) => {
  const names = ['gke', 'openshift', 'kind', 'minikube', 'eks']
  const verdicts = judge(
    t,
    names.map((platform): Case => ({ values: `platform: ${platform}` })),
  )
  if (!verdicts) return
  const [gke, openshift, kind, minikube, eks] = verdicts
  // The cleanup's objects are hooks, because helm has deleted the others by then.
  const both = ['meshaccel', 'meshaccel-cleanup']
  t.strictSame(kinds(gke, 'ResourceQuota').toSorted(), both)
  t.strictSame(kinds(openshift, 'SecurityContextConstraints').toSorted(), both)
  const users = manifestsOf(openshift?.manifests).flatMap(({ users: named }) => named ?? [])
  t.strictSame(users.toSorted(), [
    'system:serviceaccount:meshaccel-system:meshaccel',
    'system:serviceaccount:meshaccel-system:meshaccel-cleanup',
  ])
  for (const nested of [kind, minikube]) {
    for (const name of both) {
      const mounts = podsOf(nested?.manifests)
        .get(name)
        ?.initContainers?.find((container) => container.name === 'bpffs')
      t.match(mounts?.args, ['mount-bpffs', '/sys/fs/bpf'])
    }
  }
  const agent = podsOf(minikube?.manifests).get('meshaccel')
  t.equal(agent && hostPath(agent, 'netns-1'), '/run/docker/netns')
  for (const unwanted of ['ResourceQuota', 'SecurityContextConstraints']) {
    t.strictSame(kinds(eks, unwanted), [])
  }
  t.notMatch(eks?.manifests, /privileged|mount-bpffs/)
})

void test('every pod stays away from other systems and from virtual nodes', async (t) => {
  const values = `
nodeSelector: { disk: ssd }
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions: [{ key: zone, operator: In, values: [a] }]
        - matchFields: [{ key: metadata.name, operator: In, values: [node-1] }]
`
  const verdicts = judge(t, [{}, { values }])
  if (!verdicts) return
  for (const [index, verdict] of verdicts.entries()) {
    t.strictSame(verdict.problems, [])
    const pods = podsOf(verdict.manifests)
    t.equal(pods.size, 4, 'two DaemonSets, two Jobs')
    for (const [name, { nodeSelector, affinity }] of pods) {
      const daemon = !/-(?:agents|nodes)$/.test(name)
      const more = daemon && index === 1 ? { disk: 'ssd' } : {}
      t.strictSame(nodeSelector, { 'kubernetes.io/os': 'linux', ...more }, name)
      const terms =
        affinity?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
      t.equal(terms?.length, daemon && index === 1 ? 2 : 1, name)
      for (const { matchExpressions } of terms ?? []) {
        const kept = matchExpressions.filter(({ operator }) => operator === 'NotIn')
        t.match(kept, [
          { key: 'type', values: ['virtual-kubelet', 'virtual-node', 'kwok'] },
          { key: 'eks.amazonaws.com/compute-type', values: ['fargate'] },
        ])
      }
    }
  }
})
