import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { until } from '../../helpers/retry.ts'
import { injection } from './injected-pod.ts'
import { apply, getObjects, kubectl } from './kubectl.ts'
import { ready, system } from './world.ts'

const name = 'injector'
/** The names of cluster-wide objects. */
const clusterWide = 'meshaccel-test-injector'

interface EndpointSlice {
  readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[]
}

/**
 * Injects pods in namespaces with Istio's label until the end of the test: by Istio if it is installed, else by
 * pods/injector.ts.
 */
export async function injectSidecars(t: Test): Promise<void> {
  const webhooks = await kubectl('get', 'mutatingwebhookconfigurations', '-o', 'name')
  if (webhooks.includes('istio')) return
  t.teardown(async () => {
    const objects = 'mutatingwebhookconfiguration,clusterrole,clusterrolebinding'
    await kubectl('delete', objects, clusterWide, '--ignore-not-found')
    await kubectl('delete', 'pod', '-n', system, name, '--ignore-not-found')
  })
  const { key, cert } = identity(`${name}.${system}.svc`)
  await apply(...account(), ...workload({ 'tls.key': key, 'tls.crt': cert }))
  await ready(system, name)
  await until('it can be reached', async () => {
    const of = ['-n', system, '-l', `kubernetes.io/service-name=${name}`]
    const { items } = await getObjects<{ items: readonly EndpointSlice[] }>('endpointslices', ...of)
    return items.some(({ endpoints }) => endpoints?.some(({ conditions }) => conditions?.ready))
  })
  await apply(webhook(cert))
}

/** May read the pod that others know by its name. */
function account(): object[] {
  const rbac = 'rbac.authorization.k8s.io'
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: system, name } },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: clusterWide },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: clusterWide },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: clusterWide },
      subjects: [{ kind: 'ServiceAccount', namespace: system, name }],
    },
  ]
}

function workload(files: Readonly<Record<string, string>>): object[] {
  const metadata = { namespace: system, name, labels: { app: name } }
  const stringData = { ...files, 'patch.json': JSON.stringify(injection()) }
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: { app: name }, ports: [{ port: 443, targetPort: 8443 }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: {
        serviceAccountName: name,
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name,
            image: 'registry.local/pods:1',
            imagePullPolicy: 'IfNotPresent',
            command: ['node', '/app/injector.mjs'],
            readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
            volumeMounts: [{ name: 'files', mountPath: '/etc/injector', readOnly: true }],
          },
        ],
        volumes: [{ name: 'files', secret: { secretName: name } }],
      },
    },
  ]
}

function webhook(cert: string): object {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: clusterWide },
    webhooks: [
      {
        name: `${name}.meshaccel.io`,
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        clientConfig: {
          caBundle: Buffer.from(cert).toString('base64'),
          service: { namespace: system, name },
        },
        namespaceSelector: { matchLabels: { 'istio-injection': 'enabled' } },
        rules: [
          { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] },
        ],
      },
    ],
  }
}

/** A certificate that signs itself, as PEM. */
function identity(host: string): { readonly key: string; readonly cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'injector-'))
  try {
    const [key, cert] = [join(directory, 'key'), join(directory, 'cert')]
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    const subject = ['-days', '2', '-subj', '/CN=injector', '-addext', `subjectAltName=DNS:${host}`]
    execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    })
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
