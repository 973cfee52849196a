import { test } from 'tap'
import { judge, type Case } from './admission.ts'

const namespace = (name: string, level?: string): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name,
    ...(level === undefined ? {} : { labels: { 'pod-security.kubernetes.io/enforce': level } }),
  },
})

const node = (name: string, labels: Readonly<Record<string, string>> = {}): object => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'kubernetes.io/os': 'linux', ...labels } },
})

const priorityClass = {
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  metadata: { name: 'system-node-critical' },
  value: 2_000_001_000,
}

const quota = {
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name: 'critical', namespace: 'meshaccel-system' },
  spec: {
    scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'Exists' }] },
  },
}

/** A cluster that takes the agent, and more. */
const cluster = (...more: readonly object[]): object[] => [
  namespace('kube-system'),
  priorityClass,
  node('one'),
  ...more,
]

interface Check extends Case {
  readonly name: string
  readonly refused?: RegExp
  /** In the notes; otherwise they have no warning. */
  readonly warned?: RegExp
}

const label = 'kubectl label --overwrite namespace meshaccel-system'
const talos = 'platform: talos'
const gkeWithoutQuota = 'platform: gke\nresourceQuota: { enabled: false }'

const checks: readonly Check[] = [
  { name: 'a namespace that is not there yet', cluster: cluster() },
  { name: 'one without a label', cluster: cluster(namespace('meshaccel-system')) },
  { name: 'privileged', cluster: cluster(namespace('meshaccel-system', 'privileged')) },
  {
    name: 'restricted',
    cluster: cluster(namespace('meshaccel-system', 'restricted')),
    refused: new RegExp(`enforces the Pod Security level restricted.*${label}`),
  },
  {
    name: 'baseline',
    cluster: cluster(namespace('meshaccel-system', 'baseline')),
    refused: new RegExp(`enforces the Pod Security level baseline.*${label}`),
  },
  {
    name: 'baseline, not looked at',
    values: 'clusterChecks: false',
    cluster: cluster(namespace('meshaccel-system', 'baseline')),
  },
  { name: 'Talos, rendered without a cluster', values: talos },
  {
    name: 'Talos, no namespace',
    values: talos,
    cluster: cluster(),
    refused: new RegExp(`kubectl create namespace meshaccel-system; ${label}`),
  },
  {
    name: 'Talos, no label',
    values: talos,
    cluster: cluster(namespace('meshaccel-system')),
    refused: new RegExp(`Run \`${label}`),
  },
  {
    name: 'Talos, labelled',
    values: talos,
    cluster: cluster(namespace('meshaccel-system', 'privileged')),
  },
  { name: 'Talos, exempt', values: talos, namespace: 'kube-system', cluster: cluster() },
  {
    name: 'a priority class that is not there',
    values: 'priorityClassName: very-important',
    cluster: cluster(),
    refused: /priorityClassName: the cluster has no priority class very-important/,
  },
  {
    name: 'GKE without its quota',
    values: gkeWithoutQuota,
    cluster: cluster(),
    refused: /resourceQuota\.enabled: GKE admits/,
  },
  { name: 'GKE with a quota of its own', values: gkeWithoutQuota, cluster: cluster(quota) },
  {
    name: 'GKE, in kube-system',
    values: gkeWithoutQuota,
    namespace: 'kube-system',
    cluster: cluster(),
  },
  {
    name: 'virtual nodes and Windows only',
    cluster: [
      namespace('kube-system'),
      priorityClass,
      node('virtual', { type: 'virtual-kubelet' }),
      node('fargate', { 'eks.amazonaws.com/compute-type': 'fargate' }),
      node('windows', { 'kubernetes.io/os': 'windows' }),
    ],
    warned: /no node of this cluster takes the agent/,
  },
  {
    name: 'a selector that no node fits',
    values: 'nodeSelector: { disk: ssd }',
    cluster: cluster(),
    warned: /no node of this cluster takes the agent.*the labels of nodeSelector/,
  },
  {
    name: 'a selector that a node fits',
    values: 'nodeSelector: { disk: ssd }',
    cluster: cluster(node('two', { disk: 'ssd' })),
  },
]

void test('what would keep the pods from being made is told by the install', async (t) => {
  const verdicts = judge(t, checks)
  if (!verdicts) return
  for (const [index, { name, refused, warned }] of checks.entries()) {
    const { error = '', notes = '' } = verdicts[index] ?? {}
    if (refused) t.match(error, refused, name)
    else t.equal(error, '', name)
    if (warned) t.match(notes, warned, name)
    else t.notMatch(notes, 'WARNING', name)
  }
})
