import type { V1Namespace, V1Pod } from '@kubernetes/client-node'
import { FakeKubeApi, type RoutedRequest } from './fake-kube-api.ts'

export interface FakeClusterOptions {
  /** Whether a mesh injects its sidecar in namespaces that request it. */
  readonly injects?: boolean
  /** Requests per second in a namespace with these annotations. */
  readonly speed?: (annotations: Readonly<Record<string, string>>) => number
  /** If set, every container waits for this reason instead of running. */
  readonly waiting?: string
  /** The load's output instead of the result. */
  readonly prints?: string
}

type Answer = ReturnType<NonNullable<FakeKubeApi['route']>>

/** A fake API server with a minimal cluster that runs pods at once: scheduler, kubelet and mesh. */
export class FakeCluster implements AsyncDisposable {
  readonly api: FakeKubeApi
  readonly #options: FakeClusterOptions
  /** All objects that were created, in order. */
  readonly created: (V1Namespace | V1Pod)[] = []
  readonly namespaces: Map<string, V1Namespace> = new Map()
  readonly pods: Map<string, V1Pod> = new Map()
  /** The number of reads that a deleted namespace survives. */
  terminating = 2

  private constructor(api: FakeKubeApi, options: FakeClusterOptions) {
    this.api = api
    this.#options = options
    api.route = (request) => this.#answer(request)
  }

  static async start(options: FakeClusterOptions = {}): Promise<FakeCluster> {
    return new FakeCluster(await FakeKubeApi.start(), options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api[Symbol.asyncDispose]()
  }

  #answer({ method, url, body }: RoutedRequest): Answer {
    const parts = url.pathname.slice('/api/v1/'.length).split('/')
    const [kind, name = '', inside, podName = '', what] = parts
    if (kind === 'nodes') return { status: 200, body: this.#node(name) }
    if (kind === 'pods') return { status: 200, body: { items: [] } }
    if (kind !== 'namespaces') return undefined
    if (inside === undefined) return this.#namespace(method, name, body)
    if (!this.namespaces.has(name)) return notFound
    if (inside === 'services') return { status: 201, body: {} }
    if (method === 'POST') return { status: 201, body: this.#run(name, JSON.parse(body ?? '{}')) }
    const key = `${name}/${podName}`
    const pod = this.pods.get(key)
    if (!pod) return notFound
    if (what === 'log') return { status: 200, body: this.#log(name) }
    if (method === 'DELETE') this.pods.delete(key)
    return { status: 200, body: pod }
  }

  #namespace(method: string, name: string, body: string | undefined): Answer {
    if (method === 'POST') {
      const namespace: V1Namespace = JSON.parse(body ?? '{}')
      this.created.push(namespace)
      this.namespaces.set(namespace.metadata?.name ?? '', namespace)
      return { status: 201, body: namespace }
    }
    const namespace = this.namespaces.get(name)
    if (!namespace) return notFound
    if (method === 'DELETE') {
      for (const key of this.pods.keys()) if (key.startsWith(`${name}/`)) this.pods.delete(key)
      this.terminating = 2
    } else if (this.terminating-- <= 0) this.namespaces.delete(name)
    return { status: 200, body: namespace }
  }

  /** Schedules, injects and runs a pod at once. */
  #run(namespace: string, pod: V1Pod): V1Pod {
    this.created.push(structuredClone(pod))
    const [container] = pod.spec?.containers ?? []
    if (!container) return pod
    const { injects = true, waiting } = this.#options
    const ends = pod.spec?.restartPolicy === 'Never'
    const state = ends ? { terminated: { exitCode: 0 } } : { running: {} }
    const running = structuredClone(pod)
    if (running.spec) running.spec.nodeName = 'node-7'
    if (injects) running.spec?.containers.push({ name: 'istio-proxy' })
    running.status = {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: waiting === undefined ? 'True' : 'False' }],
      containerStatuses: [
        {
          name: container.name,
          image: container.image ?? '',
          imageID: 'sha256:0123',
          ready: true,
          restartCount: 0,
          state: waiting === undefined ? state : { waiting: { reason: waiting } },
        },
      ],
    }
    this.pods.set(`${namespace}/${pod.metadata?.name}`, running)
    return running
  }

  #log(namespace: string): string {
    const { prints, speed = () => 1000 } = this.#options
    const annotations = this.namespaces.get(namespace)?.metadata?.annotations ?? {}
    return prints ?? fortioOutput(speed(annotations))
  }

  #node(name: string): object {
    return {
      metadata: { name },
      status: {
        capacity: { cpu: '4', memory: '8388608Ki' },
        nodeInfo: {
          kernelVersion: '6.12.0',
          osImage: 'Debian',
          kubeletVersion: 'v1.34.0',
          architecture: 'amd64',
        },
      },
    }
  }
}

const notFound: Answer = {
  status: 404,
  body: { kind: 'Status', status: 'Failure', code: 404, message: 'not found' },
}

/** The output of `fortio load -json=-`, with log lines before and after it. */
export function fortioOutput(qps: number, codes: object = { 200: 5000 }): string {
  const result = {
    RunType: 'HTTP',
    Version: '1.69.4',
    ActualQPS: qps,
    RetCodes: codes,
    DurationHistogram: {
      Count: 5000,
      Data: [
        { Start: 0.0005, End: 1 / qps, Percent: 50, Count: 2500 },
        { Start: 1 / qps, End: 3 / qps, Percent: 99, Count: 2450 },
        { Start: 3 / qps, End: 5 / qps, Percent: 100, Count: 50 },
      ],
      Percentiles: [50, 90, 99, 99.9].map((Percentile) => ({
        Percentile,
        Value: Percentile / 50 / qps,
      })),
    },
  }
  return `{"ts":1,"level":"warn","msg":"a line {"}\n${JSON.stringify(result, undefined, 2)}\n{"ts":2}\n`
}
