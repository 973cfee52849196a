import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'
import { netnsCookie, TcpSocket, withNetns } from 'libbpf'
import { AgentProcess, cli } from '../../helpers/agent-process.ts'
import { Child } from '../../helpers/child.ts'
import { configuration, runPlugin } from '../../helpers/cni-plugin.ts'
import { FakeKubeApi } from '../../helpers/fake-kube-api.ts'
import { FakeRuntime } from '../../helpers/fake-runtime.ts'
import { until } from '../../helpers/retry.ts'
import { TrafficPrograms } from '../../helpers/traffic.ts'
import { namespaceObject, podObject, type PodState } from './objects.ts'

export interface NodeOptions {
  readonly pods: number
  readonly namespaces: number
  /** The percentage of pods that the CNI plugin announces. */
  readonly cniPercent: number
}

/** A pod of the node: its network namespace, its sandbox, and a connection inside of it. */
interface LivePod {
  state: PodState
  readonly netns: string
  readonly cookie: bigint
  readonly hasPlugin: boolean
  readonly connection: { readonly client: TcpSocket; readonly server: TcpSocket }
}

/** Namespaces that the node's pods are in; the others of the cluster are just there. */
const usedNamespaces = 50
/** Kubelet updates a pod every few tenths of a second. */
const pauseMs = 50
const proxyUid = 1337

/**
 * A node whose pods come and go: real network namespaces with a connection in each of them, a container runtime and an
 * API server. This process is in the cgroup that is watched, as the pods of a real node are.
 */
export class ChurnedNode implements AsyncDisposable {
  readonly api: FakeKubeApi
  readonly runtime: FakeRuntime
  readonly directory: string = mkdtempSync('/dev/shm/meshaccel-churn-')
  readonly cli: string = cli
  readonly cgroup: string = join(findCgroup2(), `meshaccel-churn-${process.pid}`)
  readonly pinDir: string = `/sys/fs/bpf/meshaccel-churn-${process.pid}`
  readonly socket: string = join(this.directory, 'agent.sock')
  readonly podsOrigin: string = 'kubernetes'
  readonly kubeconfig: string = join(this.directory, 'kubeconfig')
  /** The times when the addresses of unannounced pods became known, by `namespace/name`. */
  readonly knownAt: Map<string, number> = new Map<string, number>()
  /** The times when the CNI plugin let the announced pods start. */
  readonly addedAt: Map<string, number> = new Map<string, number>()
  /** The number of CNI plugin calls, for ADD or DEL. */
  pluginCalls = 0
  /** Its duration at each ADD. */
  readonly addMs: number[] = []
  readonly #options: NodeOptions
  readonly #programs = new TrafficPrograms()
  /** Makes and removes namespaces. */
  readonly #netns: Child<{ readonly event: string }>
  readonly #slots = new Map<number, LivePod>()
  readonly #enabledNamespaces = new Set<string>()
  readonly #home: string
  #generation = 0

  private constructor(api: FakeKubeApi, runtime: FakeRuntime, options: NodeOptions) {
    this.api = api
    this.runtime = runtime
    this.#options = options
    this.#netns = new Child(this.#programs.path('netns'), [])
    const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
    this.#home = join(findCgroup2(), own)
    mkdirSync(this.cgroup)
    writeFileSync(join(this.cgroup, 'cgroup.procs'), String(process.pid))
    writeFileSync(this.kubeconfig, api.config.exportConfig())
  }

  /** Makes everything, all pods at once. */
  static async create(options: NodeOptions): Promise<ChurnedNode> {
    const runtime = new FakeRuntime()
    await runtime.start()
    const node = new ChurnedNode(await FakeKubeApi.start(), runtime, options)
    try {
      for (let index = 0; index < options.namespaces; index++) {
        node.toggle(index, index % 2 === 0)
      }
      for (let slot = 0; slot < options.pods; slot++) await node.#put(slot, { atOnce: true })
      return node
    } catch (error) {
      await node[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Writes a namespace's annotation. */
  toggle(index: number, enabled: boolean): void {
    const name = `n${index}`
    if (enabled) this.#enabledNamespaces.add(name)
    else this.#enabledNamespaces.delete(name)
    this.api.set('namespaces', namespaceObject(name, enabled ? true : undefined))
  }

  get usedNamespaces(): number {
    return Math.min(usedNamespaces, this.#options.namespaces)
  }

  /** Replaces a pod by the next one. */
  async replace(slot: number): Promise<void> {
    await this.#drop(slot)
    await this.#put(slot, { atOnce: false })
  }

  /** The expected content of the maps: the sidecar's uid by netns cookie. */
  desired(): Map<bigint, number> {
    return new Map(this.#enrolled().map(({ cookie }) => [cookie, proxyUid]))
  }

  /** `namespace/name` of each that should be enrolled. */
  enrolledPods(): Set<string> {
    return new Set(this.#enrolled().map(({ state: { namespace, name } }) => `${namespace}/${name}`))
  }

  /** Removes what its agents have left in the kernel as well. */
  async [Symbol.asyncDispose](): Promise<void> {
    AgentProcess.cleanup(this)
    for (const pod of this.#slots.values()) await this.#removeNetns(pod)
    this.#slots.clear()
    await this.#netns[Symbol.asyncDispose]()
    this.#programs[Symbol.dispose]()
    await this.api.down()
    await this.runtime.stop()
    writeFileSync(join(this.#home, 'cgroup.procs'), String(process.pid))
    await until('the cgroup is empty', () => {
      try {
        rmdirSync(this.cgroup)
        return true
      } catch {
        return false
      }
    })
    rmSync(this.directory, { recursive: true, force: true })
  }

  #enrolled(): LivePod[] {
    return [...this.#slots.values()].filter(({ state: { annotations, sidecar, namespace } }) => {
      const said = annotations['meshaccel.io/enabled']
      return sidecar && (said ?? String(this.#enabledNamespaces.has(namespace))) === 'true'
    })
  }

  /** The steps have the order of kubelet and the container runtime. */
  async #put(slot: number, { atOnce }: { readonly atOnce: boolean }): Promise<void> {
    const pause = (): Promise<void> => (atOnce ? Promise.resolve() : sleep(pauseMs))
    const generation = ++this.#generation
    let state: PodState = {
      namespace: `n${slot % this.usedNamespaces}`,
      name: `p${slot}-${generation}`,
      uid: randomUUID(),
      annotations: generation % 10 === 0 ? { 'meshaccel.io/enabled': 'false' } : {},
      sidecar: generation % 5 !== 0,
      phase: 'Pending',
      step: 0,
    }
    const update = (change: Partial<PodState>): void => {
      state = { ...state, ...change, step: state.step + 1 }
      const live = this.#slots.get(slot)
      if (live) live.state = state
      this.api.set('pods', podObject(state))
    }
    update({})
    await pause()

    const name = `meshaccel-churn-${process.pid}-${generation}`
    const netns = `/run/netns/${name}`
    await this.#tellNetns('add', name)
    const key = `${state.namespace}/${state.name}`
    const hasPlugin = !atOnce && (generation * 37) % 100 < this.#options.cniPercent
    if (hasPlugin) {
      const began = performance.now()
      await this.#tellPlugin('ADD', state, netns)
      this.addMs.push(performance.now() - began)
      this.addedAt.set(key, Date.now())
    }
    const connection = withNetns(netns, () => TcpSocket.pair())
    this.#slots.set(slot, { state, netns, cookie: netnsCookie(netns), hasPlugin, connection })
    this.runtime.sandboxes.push(sandbox(state, netns, generation))
    update({})
    await pause()
    update({ ip: `10.244.${slot >> 8}.${slot & 255}` })
    if (!hasPlugin) this.knownAt.set(key, Date.now())
    await pause()
    update({ phase: 'Running' })
    await pause()
    update({})
  }

  async #drop(slot: number): Promise<void> {
    const pod = this.#slots.get(slot)
    if (!pod) return
    const { state } = pod
    this.api.set('pods', podObject({ ...state, step: state.step + 1 }))
    await sleep(pauseMs)
    this.#slots.delete(slot)
    if (pod.hasPlugin) await this.#tellPlugin('DEL', state, pod.netns)
    await this.#removeNetns(pod)
    this.runtime.sandboxes = this.runtime.sandboxes.filter(({ uid }) => uid !== state.uid)
    this.api.set('pods', podObject({ ...state, phase: 'Succeeded', step: state.step + 2 }))
    await sleep(pauseMs)
    this.api.delete('pods', `${state.namespace}/${state.name}`)
  }

  async #removeNetns({ netns, connection }: LivePod): Promise<void> {
    connection.client.reset()
    connection.server[Symbol.dispose]()
    await this.#tellNetns('delete', netns.slice('/run/netns/'.length))
  }

  async #tellNetns(command: 'add' | 'delete', name: string): Promise<void> {
    this.#netns.write(`${command} ${name}\n`)
    await this.#netns.take(name)
  }

  async #tellPlugin(
    command: 'ADD' | 'DEL',
    { namespace, name, uid }: PodState,
    netns: string,
  ): Promise<void> {
    this.pluginCalls += 1
    const { code, stdout } = await runPlugin({
      command,
      netns,
      containerId: uid,
      args: `K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};K8S_POD_UID=${uid}`,
      input: configuration({
        socket: join(dirname(this.socket), 'cni.sock'),
        prevResult: { cniVersion: '1.0.0', ips: [] },
      }),
    })
    // The runtime would neither start nor remove the pod.
    if (code !== 0) throw new Error(`${command} of ${name}: ${stdout}`)
  }
}

/** As containerd tells it. */
function sandbox(
  { uid, namespace, name }: PodState,
  path: string,
  generation: number,
): FakeRuntime['sandboxes'][number] {
  const mounts = Array.from({ length: 20 }, (_, index) => ({
    destination: `/run/secrets/${index}`,
    type: 'bind',
    source: `/var/lib/kubelet/pods/${uid}/volumes/kubernetes.io~projected/${index}`,
    options: ['rbind', 'rprivate', 'ro'],
  }))
  const namespaces = [{ type: 'pid' }, { type: 'ipc' }, { type: 'network', path }]
  const annotations = { 'io.kubernetes.cri.sandbox-name': name, namespace }
  return {
    id: uid,
    uid,
    createdAt: String(generation),
    info: { pid: 1, runtimeSpec: { mounts, annotations, linux: { namespaces } } },
  }
}
