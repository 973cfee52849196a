/** Pods that talk with pods of other nodes. */

import type { NamespaceAdviceView, PeerView } from '../../api/views.ts'

/** A pod as the API server knows it. */
export interface PodPlace {
  readonly namespace: string
  readonly name: string
  /** Absent: it is not scheduled. */
  readonly node?: string
  readonly ips: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** The name of its controller, or its own. */
  readonly workload: string
}

/** The pods that the API server knows, by address and by `namespace/name`. */
export interface Places {
  readonly byAddress: ReadonlyMap<string, PodPlace>
  readonly byPod: ReadonlyMap<string, PodPlace>
}

export const nowhere: Places = { byAddress: new Map(), byPod: new Map() }

/** Connections from one workload to another, with only one of the two on this node. */
export interface SpreadPair {
  /** `namespace/workload`, or an address whose pod is unknown. */
  readonly client: string
  readonly server: string
  /** The server's port, as the client or the server on this node sees it. */
  readonly port: number
  readonly connections: number
  /** In both directions together. */
  readonly bytesPerSecond: number
  /** The nodes of the other workload. */
  readonly nodes: readonly string[]
  /** For the pod template of the client. Absent if the server's labels are unknown. */
  readonly affinity?: Affinity
}

/** Finds the server's pods. */
export interface Affinity {
  /** Set if it is not the client's namespace. */
  readonly namespace?: string
  readonly labels: Readonly<Record<string, string>>
}

/** The peers that no pod of this node has, and that are no local address. Those with the most bytes first. */
export function peersElsewhere(namespaces: readonly NamespaceAdviceView[]): PeerView[] {
  return namespaces
    .flatMap(({ peers }) => peers)
    .filter(({ peer, address }) => peer === undefined && !isLocal(address))
    .toSorted(byTraffic)
}

const isLocal = (address: string): boolean =>
  /^(?:127\.|169\.254\.|0\.0\.0\.0$|::1?$|fe80:)/.test(address)

interface End {
  readonly name: string
  readonly place?: PodPlace | undefined
}

/** The pairs of workloads that talk over the most bytes first. Pure. */
export function spreadPairs(
  peers: readonly PeerView[],
  { byAddress, byPod }: Places,
  elapsedMs: number,
): SpreadPair[] {
  const seconds = Math.max(elapsedMs, 1) / 1000
  const pairs = new Map<string, SpreadPair>()
  for (const { pod, calls, address, port, connections, bytes } of peers) {
    const here = endOf(byPod.get(pod), pod)
    const there = endOf(byAddress.get(address), address)
    const [client, server] = calls ? [here, there] : [there, here]
    const key = `${client.name} ${server.name} ${port}`
    const before = pairs.get(key)
    const node = there.place?.node
    const nodes = new Set([...(before?.nodes ?? []), ...(node === undefined ? [] : [node])])
    const affinity = affinityOf(client, server)
    pairs.set(key, {
      client: client.name,
      server: server.name,
      port,
      connections: connections + (before?.connections ?? 0),
      bytesPerSecond: Number(bytes) / seconds + (before?.bytesPerSecond ?? 0),
      nodes: [...nodes].toSorted(),
      ...(affinity && { affinity }),
    })
  }
  return [...pairs.values()].toSorted(
    (one, other) =>
      other.bytesPerSecond - one.bytesPerSecond || other.connections - one.connections,
  )
}

const endOf = (place: PodPlace | undefined, name: string): End =>
  place ? { name: `${place.namespace}/${place.workload}`, place } : { name }

/** Nothing brings a client near a server if the API server knows only one of them. */
function affinityOf(client: End, server: End): Affinity | undefined {
  if (!client.place || !server.place) return undefined
  const labels = selectorOf(server.place.labels)
  if (!labels) return undefined
  const { namespace } = server.place
  return { ...(namespace === client.place.namespace ? {} : { namespace }), labels }
}

/** Labels that differ between the pods of a workload, or between its versions. */
const passing =
  /^(?:pod-template-hash|controller-revision-hash|pod-template-generation|statefulset\.kubernetes\.io\/pod-name|apps\.kubernetes\.io\/pod-index|batch\.kubernetes\.io\/.*|job-name|controller-uid)$/

function selectorOf(labels: PodPlace['labels']): Affinity['labels'] | undefined {
  for (const key of ['app.kubernetes.io/name', 'app', 'k8s-app']) {
    const value = labels[key]
    if (value !== undefined) return { [key]: value }
  }
  const lasting = Object.entries(labels).filter(([key]) => !passing.test(key))
  return lasting.length === 0 ? undefined : Object.fromEntries(lasting)
}

/** The lines of YAML for a pod template. Every JSON string is a YAML string. */
export function affinityYaml({ namespace, labels }: Affinity): string[] {
  return [
    'affinity:',
    '  podAffinity:',
    '    preferredDuringSchedulingIgnoredDuringExecution:',
    '      - weight: 100',
    '        podAffinityTerm:',
    '          topologyKey: kubernetes.io/hostname',
    ...(namespace === undefined ? [] : [`          namespaces: [${JSON.stringify(namespace)}]`]),
    '          labelSelector:',
    '            matchLabels:',
    ...Object.entries(labels).map(
      ([key, value]) => `              ${JSON.stringify(key)}: ${JSON.stringify(value)}`,
    ),
  ]
}

function byTraffic(one: PeerView, other: PeerView): number {
  return Number(other.bytes - one.bytes) || other.connections - one.connections
}
