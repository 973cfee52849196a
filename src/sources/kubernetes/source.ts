import type { KubeConfig } from '#kube-config'
import { setMaxListeners } from 'node:events'
import type { Log } from '../../lib/log.ts'
import { podKey, type NetnsRef, type ObservedPod } from '../../pods/observed-pod.ts'
import type { NetnsFinder } from '../netns/finder.ts'
import { isMounted } from '../netns/cri.ts'
import { NetnsSearch, type AnnouncedSandbox, type SearchTimes } from '../netns/search.ts'
import type { PodSource, SandboxListener, SourceListener } from '../source.ts'
import { KubeApi } from './client/api.ts'
import { EventWriter, type EventSubject } from './client/event-writer.ts'
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

/** The last report of a pod, and the facts that it was made from. */
interface Told {
  readonly namespace: NamespaceFacts | undefined
  readonly netns: NetnsRef | undefined
  readonly pod: ObservedPod
  /** The mistakes in its annotations, without its namespace's. */
  readonly problems: readonly string[]
}

/** Changes within this time are reported together, because pods churn. */
const tellEveryMs = 200
/** The same, while the start of a pod waits for a report. */
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
  /** The current errors of the two watches, by collection. */
  readonly #errors = new Map<string, string>()
  /** All network namespaces have been searched once, so that a missing one means something. */
  #searched = false
  /** Reports by pod. An unchanged pod keeps its object identity, so that callers can compare by identity. */
  readonly #told = new WeakMap<PodFacts, Told>()
  #telling: NodeJS.Timeout | undefined
  #tellsAt = 0
  #toldAt = -Infinity
  /** Sandboxes whose callers wait until the reconciler has handled the pod. */
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
    // Each open request listens to this signal.
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
    // The kubelet also uses the node's name as its UID, and `kubectl describe node` searches for that.
    const subject = { kind: 'Node', namespace: 'default', name, uid: name } as const
    void this.#events.warn(subject, reason, problem, this.#stop.signal)
  }

  warnOfNamespace(namespace: string, reason: string, problem: string): void {
    void this.#events.warn(this.#subjectOf(namespace), reason, problem, this.#stop.signal)
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
   * A CNI plugin calls this when a pod's sandbox is up and none of its processes runs. Settles when the reconciler has
   * handled the pod, which requires the API server's event. Settles also when the sandbox is gone.
   */
  announce(sandbox: AnnouncedSandbox): Promise<void> {
    this.#search.announce(sandbox)
    return new Promise((resolve) => {
      this.#announced.push({ sandbox, resolve })
      this.#tellSoon()
    })
  }

  /** Forgets sandboxes for which `isGone` returns true. */
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

  /**
   * Searches before the first report. Otherwise the reconciler would withdraw an earlier agent's pods, because their
   * namespaces are unknown.
   */
  async #tellFirst(): Promise<void> {
    await this.#searchFor([...this.#pods.entries()])
    this.#searched = true
    // An agent that runs in a pod sees at least its own pod.
    const [one] = this.#pods.entries()
    if (!one) this.#log.warn({ node: this.#node }, 'no pods: is --node the name of this node?')
    this.#tellSoon()
  }

  /** Settles when each new pod has been searched for once. */
  #searchFor(pods: readonly (readonly [string, PodFacts])[]): Promise<void> {
    const wanted = pods.flatMap(([, { observed, runtimeUid }]) => {
      const { namespace, name, mesh, hostNetwork, finished, ips = [] } = observed
      if (mesh === undefined || hostNetwork || finished) return []
      return [{ namespace, name, uid: runtimeUid, fingerprint: ips.join(' ') }]
    })
    return this.#search.want(wanted)
  }

  /** Schedules one report for all changes at about the same time. */
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
    // The results are part of the next report.
    void this.#searchFor(pods)
    const observed = pods.map(([, facts]) => this.#observe(facts))
    this.#warn(observed)
    // Excludes sandboxes that are announced during the next await.
    const told = new Set(this.#announced.filter(({ sandbox }) => this.#knows(sandbox)))
    await listener.pods(observed.map(({ pod }) => pod))
    this.#settle((announced) => told.has(announced))
  }

  /** Whether the API server has sent this pod: an earlier pod may have had the same name. */
  #knows(sandbox: AnnouncedSandbox): boolean {
    const uid = this.#pods.get(podKey(sandbox))?.runtimeUid
    return uid !== undefined && (sandbox.uid ?? uid) === uid
  }

  /** Resolves the promises of the announced sandboxes that match. */
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

  /** Warns users of mistakes on this node's pods and on their namespaces. */
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
      const { problems = [] } = this.#namespaces.get(`/${name}`) ?? {}
      for (const problem of problems) this.#warnOne(this.#subjectOf(name), problem)
    }
  }

  /** An Event about a namespace is in that namespace, where its users look. */
  #subjectOf(namespace: string): EventSubject {
    const { uid = '' } = this.#namespaces.get(`/${namespace}`) ?? {}
    return { kind: 'Namespace', namespace, name: namespace, uid }
  }

  #warnOne(subject: EventSubject, problem: string): void {
    void this.#events.warn(subject, 'BadAnnotation', problem, this.#stop.signal)
  }
}

/** Joins a pod with its namespace's settings and its network namespace. Pure. */
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
