import { test } from 'tap'
import { judge, type Case, type Verdict } from './admission.ts'

/** A values file that a user may write, and its result. */
interface ValuesFile extends Case {
  readonly name: string
  readonly values: string
  /** The key that the error names, if it is refused. Absent: it is rendered, valid and admitted. */
  readonly refused?: RegExp
  readonly renders?: RegExp
  readonly rendersNot?: RegExp
}

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`

const files: readonly ValuesFile[] = [
  { name: 'nothing', values: '', renders: /image: "ghcr\.io\/meshaccel\/meshaccel:\d+\.\d+\.\d+"/ },
  { name: 'a misspelt section', values: 'agnet: { default: "on" }', refused: /'agnet'/ },
  { name: 'a misspelt key', values: 'agent: { defualt: "on" }', refused: /\/agent'.*'defualt'/ },
  { name: 'another case', values: 'agent: { capbytes: 65536 }', refused: /\/agent'.*'capbytes'/ },
  { name: 'on without quotes', values: 'agent: { default: on }', renders: /--default=on$/m },
  { name: 'off without quotes', values: 'agent: { default: off }', renders: /--default=off$/m },
  { name: 'true', values: 'agent: { default: "true" }', refused: /\/agent\/default/ },
  {
    name: 'measure off without quotes',
    values: 'agent: { measure: off }',
    renders: /--measure=off$/m,
  },
  { name: 'measure on', values: 'agent: { measure: on }', refused: /\/agent\/measure/ },
  { name: 'a guard', values: 'agent: { guard: 10% }', renders: /--guard=10%$/m },
  { name: 'a guard as a number', values: 'agent: { guard: 2.5 }', renders: /--guard=2\.5$/m },
  { name: 'no guard', values: 'agent: { guard: off }', rendersNot: /--guard/ },
  { name: 'a guard without a limit', values: 'agent: { guard: on }', refused: /\/agent\/guard/ },
  { name: 'bytes with a unit', values: 'agent: { capBytes: 1MiB }', refused: /\/agent\/capBytes/ },
  { name: 'bytes', values: 'agent: { capBytes: 16777216 }', renders: /--cap=16777216$/m },
  { name: 'few bytes', values: 'agent: { capBytes: 1024 }', refused: /\/agent\/capBytes/ },
  {
    name: 'a port as text',
    values: 'agent: { metricsPort: "9464" }',
    refused: /\/agent\/metricsPort/,
  },
  {
    name: 'a port too high',
    values: 'agent: { metricsPort: 70000 }',
    refused: /\/agent\/metricsPort/,
  },
  {
    name: 'every IPv6 address',
    values: 'agent: { metricsHost: "::" }',
    renders: /--metrics=\[::\]:9464\n[^]*host: "127\.0\.0\.1"/,
  },
  {
    name: 'an IPv6 address in brackets',
    values: 'agent: { metricsHost: "[::1]" }',
    renders: /--metrics=\[::1\]:9464\n[^]*host: "::1"/,
  },
  {
    name: 'a host with a port',
    values: 'agent: { metricsHost: "0.0.0.0:9464" }',
    refused: /\/agent\/metricsHost/,
  },
  {
    name: 'arguments as text',
    values: 'agent: { extraArgs: --policy=auto }',
    refused: /\/agent\/extraArgs/,
  },
  {
    name: 'an argument in two parts',
    values: 'agent: { extraArgs: [--otlp, "http://a:1"] }',
    refused: /\/agent\/extraArgs\/1/,
  },
  {
    name: 'an argument that a value sets',
    values: 'agent: { extraArgs: [--metrics=0.0.0.0:1] }',
    refused: /\/agent\/extraArgs\/0/,
  },
  {
    name: 'pins and socket of its own',
    values:
      'agent: { extraArgs: [--pin=/sys/fs/bpf/other, --socket=/run/meshaccel/b.sock, --otlp=http://a:1] }',
    renders:
      /- cleanup\n\s+- "--pin=\/sys\/fs\/bpf\/other"\n\s+- "--socket=\/run\/meshaccel\/b\.sock"\n\s+securityContext/,
  },
  {
    name: 'pins that the pod does not see',
    values: 'agent: { extraArgs: [--pin=/mnt/bpf/x] }',
    refused: /\/agent\/extraArgs\/0/,
  },
  {
    name: 'a relative directory',
    values: 'agent: { criDir: run/crio }',
    refused: /\/agent\/criDir/,
  },
  {
    name: 'a directory that is in use',
    values: 'agent: { criDir: /run/meshaccel }',
    refused: /\/agent\/criDir/,
  },
  { name: 'a directory above', values: 'cni: { binDir: /opt/../bin }', refused: /\/cni\/binDir/ },
  {
    name: 'one directory for two things',
    values: 'cni: { binDir: /cni, confDir: /cni }',
    refused: /cni\.binDir and cni\.confDir/,
  },
  {
    name: 'CRI-O',
    values: 'agent: { criDir: /run/crio }',
    renders: /hostPath: \{ path: \/run\/crio,/,
  },
  {
    name: "the user's directory before the platform's",
    values: 'platform: k3s\ncni: { binDir: /var/lib/rancher/k3s/data/current/bin }',
    renders: /path: \/var\/lib\/rancher\/k3s\/data\/current\/bin,/,
    rendersNot: /data\/cni,/,
  },
  { name: 'a platform that is unknown', values: 'platform: k8s', refused: /\/platform/ },
  { name: 'a platform in capitals', values: 'platform: GKE', refused: /\/platform/ },
  {
    name: 'a digest',
    values: `image: { digest: "${digest}" }`,
    renders: new RegExp(`image: "ghcr.io/meshaccel/meshaccel@${digest}"`),
  },
  {
    name: 'a digest and a tag',
    values: `image: { digest: "${digest}", tag: "1.2" }`,
    renders: new RegExp(`image: "ghcr.io/meshaccel/meshaccel:1\\.2@${digest}"`),
  },
  {
    name: 'a digest cut short',
    values: 'image: { digest: "sha256:abc" }',
    refused: /\/image\/digest/,
  },
  { name: 'a tag that is a number', values: 'image: { tag: 1.10 }', refused: /\/image\/tag/ },
  {
    name: 'a repository with a tag',
    values: 'image: { repository: "a/b:1" }',
    refused: /\/image\/repository/,
  },
  {
    name: 'a registry with a port',
    values: 'image: { repository: "registry.local:5000/meshaccel" }',
    renders: /image: "registry\.local:5000\/meshaccel:\d/,
  },
  {
    name: 'secrets by name alone',
    values: 'image: { pullSecrets: [regcred] }',
    refused: /\/image\/pullSecrets\/0/,
  },
  {
    name: 'secrets',
    values: 'image: { pullSecrets: [{ name: regcred }] }',
    renders: /imagePullSecrets:\n\s+- name: regcred/,
  },
  {
    name: 'a pull policy in small letters',
    values: 'image: { pullPolicy: always }',
    refused: /\/image\/pullPolicy/,
  },
  {
    name: 'the plugin off',
    values: 'cni: { enabled: false }',
    renders: /args: \[cni, uninstall/,
    rendersNot: /cni, install/,
  },
  {
    name: 'the plugin off, as text',
    values: 'cni: { enabled: "false" }',
    refused: /\/cni\/enabled/,
  },
  {
    name: 'the plugin on OpenShift all the same',
    values: 'platform: openshift\ncni: { enabled: true }',
    renders: /args: \[cni, install/,
  },
  {
    name: 'a selector that is no text',
    values: 'nodeSelector: { gpu: true }',
    refused: /\/nodeSelector\/gpu/,
  },
  {
    name: 'other nodes than Linux',
    values: 'nodeSelector: { kubernetes.io/os: windows }',
    rendersNot: /windows/,
  },
  { name: 'no tolerations', values: 'tolerations: []', rendersNot: /tolerations/ },
  { name: 'a toleration as text', values: 'tolerations: [Exists]', refused: /\/tolerations\/0/ },
  { name: 'no priority', values: 'priorityClassName: ""', rendersNot: /priorityClassName/ },
  {
    name: 'labels of ours',
    values: 'podLabels: { app.kubernetes.io/name: agent }',
    refused: /\/podLabels/,
  },
  {
    name: 'annotations of ours',
    values: 'podAnnotations: { linkerd.io/inject: enabled, team: net }',
    renders: /linkerd\.io\/inject: disabled\n\s+sidecar\.istio\.io\/inject: "false"\n\s+team: net/,
  },
  { name: 'one at a time', values: 'maxUnavailable: 10%', renders: /maxUnavailable: 10%/ },
  { name: 'none at a time', values: 'maxUnavailable: 0', refused: /\/maxUnavailable/ },
  {
    name: 'a budget',
    values: 'podDisruptionBudget: { minAvailable: 3 }',
    renders: /kind: PodDisruptionBudget/,
  },
  {
    name: 'a budget in per cent',
    values: 'podDisruptionBudget: { minAvailable: 90% }',
    refused: /\/podDisruptionBudget\/minAvailable/,
  },
  {
    name: 'memory without sense',
    values: 'agent: { resources: { limits: { memory: 512MB } } }',
    refused: /limits\/memory/,
  },
  {
    name: 'no limits',
    values: 'agent: { resources: { limits: null } }\ncni: { resources: {} }',
    rendersNot: /memory: 512Mi/,
  },
  {
    name: 'scraped by annotations',
    values: 'agent: { scrapeAnnotations: true, metricsHost: 0.0.0.0, metricsPort: 9999 }',
    renders:
      /prometheus\.io\/path: \/metrics\n\s+prometheus\.io\/port: "9999"\n\s+prometheus\.io\/scrape: "true"/,
  },
  {
    name: 'scraped where nobody reaches it',
    values: 'agent: { scrapeAnnotations: true }',
    refused: /agent\.scrapeAnnotations/,
  },
  {
    name: 'a monitor where nobody reaches it',
    values: 'serviceMonitor: { enabled: true }\nagent: { metricsHost: localhost }',
    refused: /serviceMonitor\.enabled/,
  },
  {
    name: 'seconds with a unit',
    values: 'uninstall: { timeoutSeconds: 5m }',
    refused: /\/uninstall\/timeoutSeconds/,
  },
  { name: 'no cleanup', values: 'uninstall: { cleanup: false }', rendersNot: /post-delete/ },
  {
    name: 'a cleanup by force',
    values: 'uninstall: { force: true }',
    renders: /- cleanup\n\s+- --force\n/,
  },
  { name: 'a section taken out', values: 'cni: null', refused: /'cni'/ },
  { name: 'a list in place of a map', values: 'agent: []', refused: /\/agent/ },
  {
    name: 'everything on',
    values: `
agent: { metricsHost: 0.0.0.0, scrapeAnnotations: true, measure: pods, capBytes: 1048576, netnsDirs: [/run/netns, /run/b] }
bpffs: { mount: true }
resourceQuota: { enabled: true, pods: 100 }
securityContextConstraints: { enabled: true }
podDisruptionBudget: { minAvailable: 1 }
networkPolicy: { enabled: true, metricsFrom: [{ namespaceSelector: {} }] }
serviceMonitor: { enabled: true, interval: 1m30s, labels: { release: prometheus } }
alerts: { enabled: true }
dashboard: { enabled: true }
affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: { matchExpressions: [{ key: a, operator: Exists }] } }] } }
`,
    renders: /kind: PrometheusRule/,
  },
  { name: 'a long name', values: '', release: 'a'.repeat(53) },
  { name: 'a long name with ours in it', values: '', release: `meshaccel-${'b'.repeat(43)}` },
  {
    name: 'an old Kubernetes',
    values: '',
    kubeVersion: 'v1.28.0',
    renders: /apparmor.*\/agent: unconfined/,
  },
  { name: 'as part of another chart', values: 'global: { imageRegistry: x }' },
]

function check({ refused, renders, rendersNot }: ValuesFile, verdict: Verdict): string[] {
  const { error, manifests = '', problems, pods } = verdict
  if (refused) {
    return error === undefined ? ['it is not refused'] : refused.test(error) ? [] : [error]
  }
  const wrong = [error ?? [], problems, pods.flatMap(({ refusals }) => refusals.privileged)].flat()
  if (renders && !renders.test(manifests)) wrong.push(`does not render ${renders}`)
  if (rendersNot?.test(manifests)) wrong.push(`renders ${rendersNot}`)
  return wrong
}

void test('odd values: valid and admitted, or refused with the key named', async (t) => {
  const verdicts = judge(t, files)
  if (!verdicts) return
  for (const [index, file] of files.entries()) {
    const verdict = verdicts[index]
    t.strictSame(verdict && check(file, verdict), [], file.name)
  }
})
