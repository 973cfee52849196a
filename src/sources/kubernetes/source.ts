import type { KubeConfig } from '#kube-config'
import { setMaxListeners } from 'node:events'
import type { Log } from '../../lib/log.ts'
import { podKey, type NetnsRef, type ObservedPod } from '../../pods/observed-pod.ts'
import type { NetnsFinder } from '../netns/finder.ts'
import { isMounted } from '../netns/cri.ts'
import { NetnsSearch, type AnnouncedSandbox, type SearchTimes } from '../netns/search.ts'
import type { PodSource, SandboxListener, SourceListener } from '../source.ts'
import { KubeApi } from './client/api.ts'
import { EventWriter } from './client/event-writer.ts'
import { ListWatch, type ListWatchTimes } from './client/list-watch.ts'
import { namespaceFacts, podFacts, type NamespaceFacts, type PodFacts } from './pod-facts.ts'
import { joinSettings } from './settings.ts'

export interface KubernetesSourceOptions {
  readonly config: KubeConfig
  readonly node: string
  readonly finders: readonly NetnsFinder[]
  readonly log: Log
  readonly times?: ListWatchTimes
  readonly searchTimes?: SearchTimes
  /** Whether a path opens a network namespace; tests have no such files. */
  readonly isNetns?: (path: string) => boolean
}

interface Announced {
  readonly sandbox: AnnouncedSandbox
  readonly resolve: () => void
}

/** What was told of a pod, and what of. */
interface Told {
  readonly namespace: NamespaceFacts | undefined
  readonly netns: NetnsRef | undefined
  readonly pod: ObservedPod
  /** The mistakes in its annotations, without its namespace's. */
  readonly problems: readonly string[]
}

/** Changes are told together, as those of pods that churn. */
const tellEveryMs = 200
/** While the start of a pod waits for it. */
const tellHurriedEveryMs = 20

/** The pods of one node as the API server and the container runtime know them. */
export class KubernetesSource implements PodSource, SandboxListener {
  readonly name = 'kubernetes'
  readonly #log: Log
  readonly #node: string
  readonly #stop = new AbortController()
  readonly #pods: ListWatch<PodFacts>
  readonly #namespaces: ListWatch<NamespaceFacts>
  readonly #search: NetnsSearch
  readonly #events: EventWriter
  #listener: SourceListener | undefined
  /** What is wrong with each of the two, while it is. */
  readonly #errors = new Map<string, string>()
  /** The namespaces have been looked for once, so that their absence means something. */
  #searched = false
  /** Of a pod that stays the same the same object is told, so that others see it at a glance. */
  readonly #told = new WeakMap<PodFacts, Told>()
  #telling: NodeJS.Timeout | undefined
  #tellsAt = 0
  #toldAt = -Infinity
  /** Who waits for a pod to be acted upon. */
  #announced: Announced[] = []

  constructor({
    config,
    node,
    finders,
    log,
    times,
    searchTimes,
    isNetns,
  }: KubernetesSourceOptions) {
    this.#log = log
    this.#node = node
    // Each request under way listens to it.
    setMaxListeners(0, this.#stop.signal)
    const api = new KubeApi(config)
    this.#pods = new ListWatch(
      api,
      {
        name: 'pods',
        path: '/api/v1/pods',
        query: { fieldSelector: `spec.nodeName=${node}` },
        // A pod has some 10 to 50 KiB.
        pageSize: 50,
        keep: podFacts,
      },
      this.#listWatchListener('pods'),
      times,
    )
    this.#namespaces = new ListWatch(
      api,
      {
        name: 'namespaces',
        path: '/api/v1/namespaces',
        metadataOnly: true,
        pageSize: 500,
        keep: namespaceFacts,
      },
      this.#listWatchListener('namespaces'),
      times,
    )
    this.#search = new NetnsSearch({
      finders,
      log,
      changed: () => this.#tellSoon(),
      isReachable: isNetns ?? isMounted,
      ...(searchTimes === undefined ? {} : { times: searchTimes }),
    })
    this.#events = new EventWriter({ api, node, log })
  }

  get sandboxes(): SandboxListener {
    return this
  }

  warnOfNode(reason: string, problem: string): void {
    const name = this.#node
    // The kubelet, too, gives the node's name as its UID, and `kubectl describe node` looks for that.
    const subject = { kind: 'Node', namespace: 'default', name, uid: name } as const
    void this.#events.warn(subject, reason, problem, this.#stop.signal)
  }

  read(): undefined {
    return undefined
  }

  watch(listener: SourceListener): void {
    this.#listener = listener
    const { signal } = this.#stop
    void this.#pods.run(signal)
    void this.#namespaces.run(signal)
  }

  /**
   * A pod's sandbox is up, and none of its processes runs: from a CNI plugin. Settles when the pod has been acted upon,
   * which is not before the API server has told of it, or when the sandbox is no more.
   */
  announce(sandbox: AnnouncedSandbox): Promise<void> {
    this.#search.announce(sandbox)
    return new Promise((resolve) => {
      this.#announced.push({ sandbox, resolve })
      this.#tellSoon()
    })
  }

  /** Sandboxes for which `isGone` is true are no more. */
  forget(isGone: (containerId: string) => boolean): void {
    this.#search.forget(isGone)
    this.#settle(({ sandbox }) => isGone(sandbox.containerId))
  }

  [Symbol.dispose](): void {
    this.#listener = undefined
    this.#stop.abort()
    clearTimeout(this.#telling)
    this.#settle(() => true)
    this.#search[Symbol.dispose]()
  }

  #listWatchListener(name: string): ConstructorParameters<typeof ListWatch>[2] {
    return {
      changed: () => this.#changed(),
      failed: (error) => {
        if (this.#errors.get(name) === error.message) return
        this.#errors.set(name, error.message)
        this.#listener?.failed(error)
      },
      answered: () => {
        if (!this.#errors.delete(name)) return
        this.#log.info({ what: name }, 'the API server answers again')
        if (this.#errors.size === 0) this.#listener?.recovered?.()
      },
    }
  }

  #changed(): void {
    if (!this.#pods.synced || !this.#namespaces.synced) return
    if (this.#searched) this.#tellSoon()
    else void this.#tellFirst()
  }

  /** Before the first search, the pods of an earlier agent would be withdrawn for want of a namespace. */
  async #tellFirst(): Promise<void> {
    await this.#searchFor([...this.#pods.entries()])
    this.#searched = true
    // An agent that runs as a pod is one itself.
    const [one] = this.#pods.entries()
    if (!one) this.#log.warn({ node: this.#node }, 'no pods: is --node the name of this node?')
    this.#tellSoon()
  }

  /** Settles when each new one of all pods has been looked for once. */
  #searchFor(pods: readonly (readonly [string, PodFacts])[]): Promise<void> {
    const wanted = pods.flatMap(([, { observed, runtimeUid }]) => {
      const { namespace, name, mesh, hostNetwork, finished, ips = [] } = observed
      if (mesh === undefined || hostNetwork || finished) return []
      return [{ namespace, name, uid: runtimeUid, fingerprint: ips.join(' ') }]
    })
    return this.#search.want(wanted)
  }

  /** Tells the pods, once for all that changes at about the same time. */
  #tellSoon(): void {
    if (!this.#searched) return
    const tellsAt = this.#toldAt + (this.#announced.length > 0 ? tellHurriedEveryMs : tellEveryMs)
    if (this.#telling && this.#tellsAt <= tellsAt) return
    clearTimeout(this.#telling)
    this.#tellsAt = tellsAt
    this.#telling = setTimeout(() => void this.#tell(), Math.max(0, tellsAt - performance.now()))
  }

  async #tell(): Promise<void> {
    this.#telling = undefined
    this.#toldAt = performance.now()
    const listener = this.#listener
    if (!listener) return
    const pods = [...this.#pods.entries()].toSorted(([one], [other]) => (one < other ? -1 : 1))
    // What it finds is told next.
    void this.#searchFor(pods)
    const observed = pods.map(([, facts]) => this.#observe(facts))
    this.#warn(observed)
    // Those that come during the next step are not part of it.
    const told = new Set(this.#announced.filter(({ sandbox }) => this.#knows(sandbox)))
    await listener.pods(observed.map(({ pod }) => pod))
    this.#settle((announced) => told.has(announced))
  }

  /** Whether the API server has told of the pod: one of the same name may have been there before. */
  #knows(sandbox: AnnouncedSandbox): boolean {
    const uid = this.#pods.get(podKey(sandbox))?.runtimeUid
    return uid !== undefined && (sandbox.uid ?? uid) === uid
  }

  /** Lets those who have announced a sandbox go on. */
  #settle(which: (announced: Announced) => boolean): void {
    this.#announced = this.#announced.filter((announced) => {
      if (!which(announced)) return true
      announced.resolve()
      return false
    })
  }

  #observe(facts: PodFacts): Told {
    const { observed, runtimeUid: uid } = facts
    const netns = this.#search.of({ namespace: observed.namespace, name: observed.name, uid })
    const namespace = this.#namespaces.get(`/${observed.namespace}`)
    const last = this.#told.get(facts)
    if (last && last.namespace === namespace && last.netns === netns) return last
    const told = observedPod(facts, namespace, netns)
    this.#told.set(facts, told)
    return told
  }

  /** Tells users what they have written wrong, on this node's pods and the namespaces of these. */
  #warn(pods: readonly Told[]): void {
    const namespaces = new Set<string>()
    for (const { pod, problems } of pods) {
      const { namespace, name, uid = '' } = pod
      namespaces.add(namespace)
      for (const problem of problems) {
        this.#warnOne({ kind: 'Pod', namespace, name, uid }, problem)
      }
    }
    for (const name of namespaces) {
      const { uid = '', problems = [] } =
        this.#namespaces.get(podKey({ namespace: '', name })) ?? {}
      for (const problem of problems) {
        // An Event about a namespace is in it, where its users look.
        this.#warnOne({ kind: 'Namespace', namespace: name, name, uid }, problem)
      }
    }
  }

  #warnOne(subject: Parameters<EventWriter['warn']>[0], problem: string): void {
    void this.#events.warn(subject, 'BadAnnotation', problem, this.#stop.signal)
  }
}

/** A pod with what its namespace says and where its network namespace is. Pure. */
function observedPod(
  { observed, problems: ofPod }: PodFacts,
  namespace: NamespaceFacts | undefined,
  netns: NetnsRef | undefined,
): Told {
  const { settings, problems: ofBoth } = joinSettings(observed, namespace?.settings)
  const problems = [...ofPod, ...ofBoth]
  const ofNamespace = (namespace?.problems ?? []).map(
    (problem) => `namespace ${observed.namespace}: ${problem}`,
  )
  const problem = [...problems, ...ofNamespace].join('; ')
  const pod = {
    ...observed,
    ...settings,
    ...(problem === '' ? {} : { problem }),
    ...(netns === undefined ? {} : { netns }),
  }
  return { namespace, netns, pod, problems }
}
