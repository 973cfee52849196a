import { readFileSync } from 'node:fs'

export interface InjectedPodOptions {
  readonly namespace: string
  readonly name: string
  readonly sidecar: 'classic' | 'native'
  readonly node: string
  /** The application's command. */
  readonly command: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
}

interface Container {
  readonly name: string
  readonly readinessProbe?: object
  readonly [field: string]: unknown
}

interface Pod {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
  }
  readonly spec: {
    readonly initContainers: readonly Container[]
    readonly containers: readonly Container[]
    readonly [field: string]: unknown
  }
}

const image = 'registry.local/pods:1'

/** Arguments stay as Istio's injector writes them; a command that comes before them does not look at them. */
const commands: Readonly<Record<string, string>> = {
  'istio-init':
    'for kind in nft legacy; do iptables-$kind-restore </etc/istio.rules && exit; done; exit 1',
  'istio-proxy':
    'exec envoy --config-path /etc/envoy.json --concurrency 1 --disable-hot-restart --log-level error',
}

/**
 * A pod as Istio's injector makes it (test/fixtures/injected), with our programs in place of Istio's. The rules are the
 * same, Envoy is real, and there is an application.
 */
export function injectedPod(options: InjectedPodOptions): Pod {
  const { namespace, name, sidecar, node, command, annotations = {} } = options
  const { metadata, spec } = fixture(sidecar)
  const replaced = (container: Container): Container => {
    if (container.name in commands) return withOurs(container)
    // Its probe goes to Istio's agent.
    const { readinessProbe: _, ...app } = withOurs(container)
    return { ...app, name: 'app', command }
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      name,
      labels: { ...metadata.labels, app: name },
      annotations: { ...metadata.annotations, ...annotations },
    },
    spec: {
      initContainers: [firstProcess, ...spec.initContainers.map(replaced)],
      containers: spec.containers.map(replaced),
      nodeSelector: { 'kubernetes.io/hostname': node },
      terminationGracePeriodSeconds: 2,
    },
  }
}

/** The injector's additions to a pod, as a JSON patch. */
export function injection(): object[] {
  const { metadata, spec } = fixture('native')
  const status = 'sidecar.istio.io/status'
  return [
    { op: 'add', path: '/spec/initContainers', value: spec.initContainers.map(withOurs) },
    {
      op: 'add',
      path: `/metadata/annotations/${status.replace('/', '~1')}`,
      value: metadata.annotations[status],
    },
  ]
}

function fixture(sidecar: InjectedPodOptions['sidecar']): Pod {
  const file = new URL(`../../fixtures/injected/istio-${sidecar}.json`, import.meta.url)
  const pod: Pod = JSON.parse(readFileSync(file, 'utf8'))
  return pod
}

function withOurs(container: Container): Container {
  const script = commands[container.name]
  const ours = { ...container, image, imagePullPolicy: 'IfNotPresent', resources: {} }
  return script === undefined ? ours : { ...ours, command: ['/bin/sh', '-c', script] }
}

/** Tells when the pod's first process started, in milliseconds since 1970. */
const firstProcess: Container = {
  name: 'first',
  image,
  imagePullPolicy: 'IfNotPresent',
  command: ['/usr/bin/node', '--print', 'performance.timeOrigin'],
}
