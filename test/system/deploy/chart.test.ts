import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { parse } from 'yaml'
import { packageRoot, version } from '../../../src/lib/package.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { chart, helm, judge, manifestsOf, podsOf, type Manifest } from './admission.ts'

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const needsHelm = 'needs helm 3: bash test/system/cluster/setup.sh builds it'

function runHelm(command: string, ...args: string[]): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

const namesOf = (manifests: readonly Manifest[]): string[] =>
  manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted()

const byName = (text: string | undefined): Map<string, Manifest> =>
  new Map(manifestsOf(text).map((each) => [`${each.kind} ${each.metadata.name}`, each]))

void test('the manifests are what the chart renders', async (t) => {
  if (helm === undefined) t.comment('no helm: compared by the checksum of the chart')
  const script = join(packageRoot, 'scripts/render-manifests.sh')
  const { status, stderr } = spawnSync('bash', [script, '--check'], {
    encoding: 'utf8',
    env: { ...process.env, ...(helm === undefined ? {} : { HELM: helm }) },
  })
  t.equal(status, 0, stderr)
  for (const [options, file] of [
    [[], 'manifests.yaml'],
    [['--cleanup'], 'cleanup.yaml'],
  ] as const) {
    const { code, stdout } = await runCommand(['manifests', ...options], { uid: 1000 })
    t.equal(code, 0)
    t.equal(stdout, readFileSync(join(packageRoot, 'deploy', file), 'utf8'))
  }
})

void test('the chart has the version of the product', async (t) => {
  const about: unknown = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8'))
  t.match(about, { version, appVersion: version })
})

void test('the agent may read pods and namespaces and create events, and nothing else', async (t) => {
  const { stdout } = await runCommand(['manifests'])
  const manifests = manifestsOf(stdout)
  t.strictSame(
    manifests.map(({ kind }) => kind).toSorted(),
    ['ClusterRole', 'ClusterRoleBinding', 'DaemonSet', 'Namespace', 'ServiceAccount'],
    'no hooks, nothing optional',
  )
  t.strictSame(manifests.find(({ kind }) => kind === 'ClusterRole')?.rules, [
    { apiGroups: [''], resources: ['pods', 'namespaces'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['events'], verbs: ['create'] },
  ])
  for (const { name, securityContext } of podsOf(stdout).get('meshaccel')?.containers ?? []) {
    t.notOk(securityContext.privileged, name)
    t.strictSame(securityContext.capabilities?.drop, ['ALL'], name)
  }
})

void test("plain manifests are not helm's, and their namespaces admit them", async (t) => {
  for (const options of [[], ['--cleanup']]) {
    const { stdout } = await runCommand(['manifests', ...options])
    t.notMatch(stdout, /managed-by|helm\.sh\/hook/)
    const namespaces = manifestsOf(stdout).filter(({ kind }) => kind === 'Namespace')
    t.match(namespaces, [
      { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } } },
    ])
  }
})

void test('the plain cleanup does on each node what an uninstall does', async (t) => {
  const verdicts = judge(t, [{}])
  if (!verdicts) return
  const { stdout } = await runCommand(['manifests', '--cleanup'])
  t.strictSame(namesOf(manifestsOf(stdout)), [
    'DaemonSet meshaccel-cleanup',
    'Namespace meshaccel-cleanup',
    'ServiceAccount meshaccel-cleanup',
  ])
  const plain = podsOf(stdout).get('meshaccel-cleanup')
  t.strictSame(plain, podsOf(verdicts[0]?.manifests).get('meshaccel-cleanup'))
})

void test('an uninstall waits, cleans up on each node, and waits again', async (t) => {
  const verdicts = judge(t, [
    {},
    { values: 'cni: { enabled: false }' },
    { values: 'platform: gke' },
  ])
  if (!verdicts) return
  const hooks = verdicts.map(({ manifests }) =>
    manifestsOf(manifests)
      .filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'post-delete')
      .map(({ kind, metadata }) => `${metadata.annotations?.['helm.sh/hook-weight']} ${kind}`)
      .toSorted(),
  )
  const always = ['0 Role', '0 RoleBinding', '0 ServiceAccount', '1 Job', '2 DaemonSet', '3 Job']
  t.strictSame(hooks, [always, always, ['0 ResourceQuota', ...always]])
  for (const { manifests } of verdicts) {
    const steps = podsOf(manifests).get('meshaccel-cleanup')?.initContainers
    t.strictSame(
      steps?.map(({ name }) => name),
      ['cni', 'cleanup'],
      'the plugin, also where it is off: it may have been on',
    )
  }
})

void test('helm itself takes the chart, and renders what the tests judge', async (t: Test) => {
  if (helm === undefined) {
    t.plan(0, needsHelm)
    return
  }
  const strict = runHelm(helm, 'lint', '--strict', '--kube-version', '1.34.0', chart)
  t.equal(strict.status, 0, strict.stdout)
  const verdicts = judge(t, [{ values: 'platform: gke' }])
  if (!verdicts) return
  const always = ['--namespace', 'meshaccel-system', '--kube-version', 'v1.34.2']
  const template = (...more: string[]): Ran =>
    runHelm(helm ?? 'helm', 'template', 'meshaccel', chart, ...always, ...more)
  const gke = template('--set', 'platform=gke')
  t.equal(gke.status, 0, gke.stderr)
  t.strictSame(byName(gke.stdout), byName(verdicts[0]?.manifests))
  t.match(template('--set', 'agent.defualt=on'), { status: 1, stderr: /defualt/ })
})
