import type { Test } from 'tap'
import type { PodView, StatusView } from '../../../src/api/views.ts'
import { packageRoot } from '../../../src/lib/package.ts'
import { until } from '../../helpers/retry.ts'
import { injectedPod, type InjectedPodOptions } from './injected-pod.ts'
import { apply, getObjects, kubectl, Lines, run } from './kubectl.ts'
import type { ClientReport, Footprint, Sample } from './pods/reports.ts'

/** The namespaces that the tests make and remove. */
export const shop = 'meshaccel-test-shop'
export const system = 'meshaccel-test-system'
/** The name of the release, its DaemonSet and its account. */
export const release = 'meshaccel-test'
export const chart: string = `${packageRoot}/deploy/helm/meshaccel`
const METRICS_PORT = 9464

export interface KubePod {
  readonly metadata: { readonly name: string; readonly uid: string }
  readonly spec: { readonly containers: readonly KubeContainer[] }
  readonly status: {
    readonly phase: string
    readonly podIP?: string
    readonly containerStatuses?: readonly { readonly name: string; readonly restartCount: number }[]
  }
}

interface KubeNode {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
}

interface KubeContainer {
  readonly name: string
  readonly securityContext?: {
    readonly privileged?: boolean
    readonly capabilities?: { readonly add?: readonly string[] }
  }
}

interface List<Item> {
  readonly items: readonly Item[]
}

/** A line of the agent's log. */
export interface LogLine {
  readonly time: string
  readonly msg: string
  readonly pod?: string
  readonly err?: string
}

/** The cluster as the steps of the test share it: one node, traffic between two pods, the agent on that node. */
export class World {
  /** The node's label, by which pods select it. */
  readonly node: string
  readonly nodeName: string
  /** Whether the chart is installed with its CNI plugin. */
  readonly hasPlugin: boolean
  /** The agent's counters, for as long as the test runs. */
  readonly samples: Lines<Sample>
  /** The reports of the client of `makeTraffic`. */
  #client: Lines<ClientReport> | undefined

  private constructor(nodeName: string, node: string, hasPlugin: boolean) {
    this.nodeName = nodeName
    this.node = node
    this.hasPlugin = hasPlugin
    this.samples = new Lines(...nodeView('samples', String(METRICS_PORT)))
  }

  /** Creates the namespaces. They end with the test, with everything in them. */
  static async make(t: Test, hasPlugin: boolean): Promise<World> {
    const nodes = await getObjects<List<KubeNode>>('nodes')
    const { name: nodeName, labels } = nodes.items[0]?.metadata ?? {}
    const node = labels?.['kubernetes.io/hostname']
    if (nodeName === undefined || node === undefined) throw new Error('the cluster has no node')
    const others = await getObjects<List<object>>(
      'daemonsets',
      '-A',
      '-l',
      'app.kubernetes.io/name=meshaccel',
    )
    if (others.items.length > 0)
      throw new Error('meshaccel is installed in this cluster: remove it first')
    t.teardown(async () => {
      // After a failure the release and its objects on the node are still there.
      const options = ['--ignore-not-found', '--wait', '--timeout=3m']
      await run('helm', ['uninstall', release, '-n', system, ...options]).catch((error: unknown) =>
        t.comment(String(error)),
      )
      await kubectl('delete', 'namespace', shop, system, '--ignore-not-found', '--timeout=120s')
    })
    for (const name of [shop, system]) {
      // As docs/PLATFORMS.md advises: the level is enforced with the label.
      const level = { 'pod-security.kubernetes.io/enforce': 'privileged' }
      const metadata = { name, labels: name === system ? level : {} }
      await apply({ apiVersion: 'v1', kind: 'Namespace', metadata })
      // A namespace without its account takes no pods.
      await kubectl('wait', '--for=create', 'serviceaccount/default', '-n', name, '--timeout=60s')
    }
    await apply(nodeViewPod(node))
    await ready(system, 'node-view')
    return new World(nodeName, node, hasPlugin)
  }

  /**
   * Installs the chart. `HELM_SET` in the environment is for clusters with extra settings. Helm does not wait for a
   * DaemonSet.
   */
  async helmInstall(): Promise<void> {
    const settings = [process.env['HELM_SET'], `cni.enabled=${this.hasPlugin}`]
    const set = settings.flatMap((setting) => (setting === undefined ? [] : ['--set', setting]))
    await run('helm', ['install', release, chart, '-n', system, ...set])
    await agentReady()
  }

  /** A client that talks to a server through their sidecars, without end. */
  async makeTraffic(): Promise<void> {
    await this.startPods({
      name: 'stock',
      sidecar: 'classic',
      command: ['node', '/app/server.mjs'],
    })
    const { status } = await getObjects<KubePod>('pod', '-n', shop, 'stock')
    const command = ['node', '/app/client.mjs', status.podIP ?? '', '4']
    await this.startPods({ name: 'cart', sidecar: 'native', command })
    this.#client = new Lines('logs', '-n', shop, 'cart', '-c', 'app', '--follow', '--tail=1')
  }

  /** Starts pods of the shop and waits until they are ready. */
  async startPods(
    ...pods: readonly Omit<InjectedPodOptions, 'namespace' | 'node'>[]
  ): Promise<void> {
    await apply(...pods.map((pod) => injectedPod({ ...pod, namespace: shop, node: this.node })))
    await ready(shop, ...pods.map(({ name }) => name))
  }

  /** Has the client pause, or go on. */
  async toggleClient(): Promise<void> {
    await kubectl('exec', '-n', shop, 'cart', '-c', 'app', '--', 'sh', '-c', 'kill -USR2 1')
  }

  /** The client's counts so far: its next report. */
  async client(): Promise<ClientReport> {
    const now = Date.now()
    return until('the client tells', () => {
      const last = this.#client?.last
      return last !== undefined && last.at > now && last
    })
  }

  /** Asserts that the client has continued since `before`, on the same connections and without a failure. */
  async assertUnharmed(t: Test, before: ClientReport): Promise<void> {
    const goesOn = before.requests + 50
    const report = await until('the client goes on', async () => {
      const now = await this.client()
      return now.requests > goesOn && now
    })
    t.equal(report.failed, before.failed, `no request failed: ${report.error}`)
    t.equal(report.opened, before.opened, 'on the same connections')
  }

  /** Waits until more bytes are redirected than before. Returns the time, in milliseconds since 1970. */
  async redirects(since: number): Promise<number> {
    const before = this.#redirectedBy(since)
    return until('bytes are redirected', () => {
      const { lines } = this.samples
      return lines.find(({ at, redirectedBytes }) => at > since && (redirectedBytes ?? 0) > before)
        ?.at
    })
  }

  /** Waits until nothing has been redirected for a second. Returns when that began. */
  async stopsRedirecting(): Promise<number> {
    return until('no bytes are redirected', () => {
      const answers = this.samples.lines.filter(
        ({ redirectedBytes }) => redirectedBytes !== undefined,
      )
      const last = answers.at(-1)
      const first = answers.find(({ redirectedBytes }) => redirectedBytes === last?.redirectedBytes)
      return last && first && last.at - first.at > 1000 && first.at
    })
  }

  #redirectedBy(moment: number): number {
    const then = this.samples.lines.findLast(
      ({ at, redirectedBytes }) => at <= moment && redirectedBytes !== undefined,
    )
    return then?.redirectedBytes ?? 0
  }

  /** Waits for the agent's pod and returns its name. */
  agentPod(): Promise<string> {
    return until('there is one agent', async () => {
      const selector = 'app.kubernetes.io/name=meshaccel'
      const { items } = await getObjects<List<KubePod>>('pods', '-n', system, '-l', selector)
      return items.length === 1 && items[0]?.metadata.name
    })
  }

  /** Runs a command of the product in the agent's container, as its users do. */
  async meshaccel<View>(...command: readonly string[]): Promise<View> {
    const agent = ['exec', '-n', system, await this.agentPod(), '-c', 'agent', '--', 'meshaccel']
    const view: View = JSON.parse(await kubectl(...agent, ...command, '-o', 'json'))
    return view
  }

  status(): Promise<StatusView> {
    return this.meshaccel('status')
  }

  /** The pod of the shop as the agent sees it. */
  async seen(name: string): Promise<PodView | undefined> {
    const { pods } = await this.meshaccel<{ pods: PodView[] }>('pods')
    return pods.find((pod) => pod.namespace === shop && pod.name === name)
  }

  /** Waits until a pod of the shop is enrolled, or is not for the reason. */
  async becomes(name: string, state: string): Promise<void> {
    await until(`${name}: ${state}`, async () => {
      const pod = await this.seen(name)
      return (pod?.enrolled ? 'enrolled' : pod?.reason) === state
    })
  }

  /** The current agent's log; empty before its container exists. */
  async log(): Promise<LogLine[]> {
    const where = ['-n', system, await this.agentPod(), '-c', 'agent']
    const text = await kubectl('logs', ...where).catch(() => '')
    return text
      .split('\n')
      .filter(Boolean)
      .map((line): LogLine => JSON.parse(line))
  }

  async footprint(seconds: number): Promise<Footprint> {
    const footprint: Footprint = JSON.parse(
      await kubectl(...nodeView('footprint', String(seconds))),
    )
    return footprint
  }

  async signalAgent(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): Promise<void> {
    await kubectl(...nodeView('signal', signal))
  }

  /** Runs a command on the node, whose files are below /host. */
  onNode(...command: readonly string[]): Promise<string> {
    return kubectl('exec', '-n', system, 'node-view', '--', ...command)
  }

  [Symbol.dispose](): void {
    this.samples[Symbol.dispose]()
    this.#client?.[Symbol.dispose]()
  }
}

export async function annotate(what: readonly string[], annotation: string): Promise<number> {
  await kubectl('annotate', '--overwrite', ...what, `meshaccel.io/${annotation}`)
  return Date.now()
}

export async function ready(namespace: string, ...names: readonly string[]): Promise<void> {
  const pods = names.map((name) => `pod/${name}`)
  await kubectl('wait', '--for=condition=Ready', '-n', namespace, ...pods, '--timeout=180s')
}

/** Waits until every agent is ready and up to date. */
export async function agentReady(): Promise<void> {
  await kubectl('rollout', 'status', '-n', system, `daemonset/${release}`, '--timeout=180s')
}

export async function deletePods(...names: readonly string[]): Promise<void> {
  await kubectl('delete', 'pod', '-n', shop, ...names, '--timeout=120s')
}

function nodeView(...args: readonly string[]): string[] {
  return ['exec', '-n', system, 'node-view', '--', 'node', '/app/node-view.mjs', ...args]
}

/** The test's view of the node. Only this pod is privileged. */
function nodeViewPod(node: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: system, name: 'node-view' },
    spec: {
      hostNetwork: true,
      hostPID: true,
      nodeSelector: { 'kubernetes.io/hostname': node },
      tolerations: [{ operator: 'Exists' }],
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'node-view',
          image: 'registry.local/pods:1',
          imagePullPolicy: 'IfNotPresent',
          command: ['/bin/sleep', '1000000'],
          securityContext: { privileged: true },
          volumeMounts: [{ name: 'host', mountPath: '/host', readOnly: true }],
        },
      ],
      volumes: [{ name: 'host', hostPath: { path: '/' } }],
    },
  }
}
