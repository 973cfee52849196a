import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { packageRoot, version } from '../../src/package.ts'
import { runCommand } from '../helpers/cli-run.ts'

const helm = process.env['HELM'] ?? 'helm'
const chart = join(packageRoot, 'deploy/helm/meshaccel')
const hasHelm = spawnSync(helm, ['version'], { stdio: 'ignore' }).status === 0

interface Container {
  readonly name: string
  readonly securityContext: {
    readonly privileged?: boolean
    readonly capabilities: { readonly drop: string[]; readonly add?: string[] }
  }
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly annotations?: Record<string, string> }
  readonly rules?: unknown
  readonly spec?: {
    readonly template: {
      readonly spec: { readonly containers: Container[]; readonly initContainers?: Container[] }
    }
  }
}

const manifestsOf = (text: string): Manifest[] =>
  parseAllDocuments(text)
    .map((document): Manifest | null => {
      const [error] = document.errors
      if (error) throw error
      return document.toJS()
    })
    .filter((manifest) => manifest !== null)

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(helm, args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

const render = (...settings: string[]): ReturnType<typeof run> =>
  run('template', 'x', chart, '--kube-version', '1.34.0', ...settings.flatMap((s) => ['--set', s]))

void test('the manifests are what the chart renders', async (t) => {
  if (!hasHelm) t.comment('no helm: compared by the checksum of the chart')
  const script = join(packageRoot, 'scripts/render-manifests.sh')
  const { status, stderr } = spawnSync('bash', [script, '--check'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const { code, stdout } = await runCommand(['manifests'], { uid: 1000 })
  t.equal(code, 0)
  t.equal(stdout, readFileSync(join(packageRoot, 'deploy/manifests.yaml'), 'utf8'))
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
  const spec = manifests.find(({ kind }) => kind === 'DaemonSet')?.spec?.template.spec
  for (const { name, securityContext } of spec?.containers ?? []) {
    t.notOk(securityContext.privileged, name)
    t.strictSame(securityContext.capabilities.drop, ['ALL'], name)
  }
})

void test('helm', async (t) => {
  if (!hasHelm) {
    t.plan(0, 'needs helm 3: go install helm.sh/helm/v3/cmd/helm@v3.22.0')
    return
  }
  const strict = run('lint', '--strict', '--kube-version', '1.34.0', chart)
  t.equal(strict.status, 0, strict.stdout)

  const all = render(
    'agent.metricsHost=0.0.0.0,serviceMonitor.enabled=true,networkPolicy.enabled=true',
    'dashboard.enabled=true,alerts.enabled=true,agent.measure=pods,agent.capBytes=1048576,image.pullSecrets[0].name=s',
    'nodeSelector.a=b,agent.extraArgs[0]=--policy=auto,podLabels.a=b',
  )
  t.equal(all.status, 0, all.stderr)
  const kinds = manifestsOf(all.stdout).map(({ kind }) => kind)
  for (const kind of [
    'Service',
    'ServiceMonitor',
    'PrometheusRule',
    'NetworkPolicy',
    'ConfigMap',
    'Job',
  ]) {
    t.ok(kinds.includes(kind), kind)
  }
  t.match(all.stdout, '--cap=1048576')
  t.match(all.stdout, '--measure=pods')
  t.match(all.stdout, 'alert: MeshaccelAbsent')
  t.match(render('serviceMonitor.enabled=true'), { status: 1, stderr: /set agent\.metricsHost/ })

  const without = render('cni.enabled=false', 'uninstall.cleanup=false')
  t.notMatch(without.stdout, /cni|post-delete/)
  const old = run('template', 'x', chart, '--kube-version', '1.28.0')
  t.match(old.stdout, 'container.apparmor.security.beta.kubernetes.io/agent: unconfined')
  t.notMatch(old.stdout, 'appArmorProfile')
})

void test('an uninstall waits, cleans up on each node, and waits again', async (t) => {
  if (!hasHelm) {
    t.plan(0, 'needs helm 3: go install helm.sh/helm/v3/cmd/helm@v3.22.0')
    return
  }
  const hooks = manifestsOf(render().stdout)
    .filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'post-delete')
    .map(({ kind, metadata }) => `${metadata.annotations?.['helm.sh/hook-weight']} ${kind}`)
    .toSorted()
  t.strictSame(hooks, [
    '0 Role',
    '0 RoleBinding',
    '0 ServiceAccount',
    '1 Job',
    '2 DaemonSet',
    '3 Job',
  ])
})
