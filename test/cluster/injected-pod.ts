import { readFileSync } from 'node:fs'

export interface InjectedPodOptions {
  readonly namespace: string
  readonly name: string
  readonly sidecar: 'classic' | 'native'
  readonly node: string
  /** What the application runs. */
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
 * A pod as Istio's injector makes it (test/fixtures/injected), with programs of ours in place of Istio's: the same rules,
 * a real Envoy, and an application.
 */
export function injectedPod(options: InjectedPodOptions): Pod {
  const { namespace, name, sidecar, node, command, annotations = {} } = options
  const file = new URL(`../fixtures/injected/istio-${sidecar}.json`, import.meta.url)
  const { metadata, spec }: Pod = JSON.parse(readFileSync(file, 'utf8'))
  const replaced = (container: Container): Container => {
    const script = commands[container.name]
    const ours = { ...container, image, imagePullPolicy: 'IfNotPresent', resources: {} }
    if (script !== undefined) return { ...ours, command: ['/bin/sh', '-c', script] }
    // Its probe goes to Istio's agent.
    const { readinessProbe: _, ...app } = ours
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

/** Tells when the pod's first process started, in milliseconds since 1970. */
const firstProcess: Container = {
  name: 'first',
  image,
  imagePullPolicy: 'IfNotPresent',
  command: ['/usr/bin/node', '--print', 'performance.timeOrigin'],
}
