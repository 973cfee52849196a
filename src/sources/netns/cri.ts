import {
  Client,
  credentials,
  status,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { existsSync, realpathSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { isExplained, MeshaccelError } from '../../lib/errors.ts'
import type { NetnsRef } from '../../pods/observed-pod.ts'
import { packageRoot } from '../../lib/package.ts'
import type { NetnsFinder } from './finder.ts'

/** The sockets of known runtimes: containerd, CRI-O, k3s and RKE2, k0s, MicroK8s, and Docker with cri-dockerd. */
export const knownSockets: readonly string[] = [
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/k0s/containerd.sock',
  '/var/snap/microk8s/common/run/containerd.sock',
  '/run/cri-dockerd.sock',
]

/**
 * The sockets of this node's container runtimes: the known ones that exist, else the most likely one. A socket with two
 * names is listed once.
 */
export function runtimeSockets(known: readonly string[] = knownSockets): readonly string[] {
  const files = new Map<string, string>()
  for (const path of known) {
    if (!existsSync(path)) continue
    const file = realpathSync(path)
    if (!files.has(file)) files.set(file, path)
  }
  const there = [...files.values()]
  return there.length > 0 ? there : known.slice(0, 1)
}

/** Kubelet sets this label on each sandbox. */
const uidLabel = 'io.kubernetes.pod.uid'
/** The number of concurrent requests for sandbox details. */
const parallel = 8

/** Asks the container runtime over CRI. containerd and CRI-O give the namespace in the verbose status of a sandbox. */
export class CriFinder implements NetnsFinder, Disposable {
  readonly name: string
  readonly #client: Client
  readonly #deadlineMs: number
  readonly #service = loadService()
  /** Namespaces by sandbox ID. A sandbox keeps its namespace. */
  readonly #known = new Map<string, NetnsRef>()

  constructor(socketPath: string, { deadlineMs = 2_000 }: { readonly deadlineMs?: number } = {}) {
    this.#deadlineMs = deadlineMs
    this.name = `the container runtime at ${socketPath}`
    this.#client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
      // A node with 250 pods answers with some 500 KiB.
      'grpc.max_receive_message_length': 64 << 20,
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 5_000,
    })
  }

  async find(uids: ReadonlySet<string>): Promise<ReadonlyMap<string, NetnsRef>> {
    const items = await this.#list(uids)
    // A pod with a new sandbox may still have the old one.
    const newest = new Map<string, PodSandbox>()
    for (const sandbox of items) {
      const uid = sandbox.metadata?.uid ?? ''
      const other = newest.get(uid)
      if (!uids.has(uid) || sandbox.state !== 'SANDBOX_READY') continue
      if (!other || BigInt(other.createdAt) < BigInt(sandbox.createdAt)) newest.set(uid, sandbox)
    }
    const found = new Map<string, NetnsRef>()
    const queue = [...newest]
    const work = async (): Promise<void> => {
      for (let next = queue.pop(); next; next = queue.pop()) {
        const [uid, { id }] = next
        const ref = this.#known.get(id) ?? (await this.#netnsOf(id))
        if (!ref) continue
        this.#known.set(id, ref)
        found.set(uid, ref)
      }
    }
    await Promise.all(Array.from({ length: parallel }, work))
    return found
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }

  /** Requests few pods one by one: a list of all takes the runtime, and this process, a few milliseconds. */
  async #list(uids: ReadonlySet<string>): Promise<readonly PodSandbox[]> {
    const ready = { state: { state: 'SANDBOX_READY' } }
    const list = async (filter: object): Promise<readonly PodSandbox[]> =>
      (await this.#call<ListPodSandboxResponse>('ListPodSandbox', { filter })).items
    if (uids.size <= parallel) {
      const filters = [...uids].map((uid) => ({ ...ready, labelSelector: { [uidLabel]: uid } }))
      return (await Promise.all(filters.map(list))).flat()
    }
    const items = await list(ready)
    const ids = new Set(items.map(({ id }) => id))
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id)
    return items
  }

  /** Returns undefined if the sandbox has just gone, or uses the host's network. */
  async #netnsOf(id: string): Promise<NetnsRef | undefined> {
    try {
      const request = { podSandboxId: id, verbose: true }
      const { info } = await this.#call<PodSandboxStatusResponse>('PodSandboxStatus', request)
      return netnsOfInfo(info['info'] ?? '')
    } catch (error) {
      if (isExplained(error) && error.code === 'CRI_NOT_FOUND') return undefined
      throw error
    }
  }

  #call<Response extends object>(name: string, request: object): Promise<Response> {
    const method = this.#service[name]
    if (!method) throw new Error(`cri.proto has no method ${name}`)
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<object, Response>(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        { deadline: Date.now() + this.#deadlineMs },
        (error, response) => {
          if (error) reject(criError(this.name, error))
          else if (response !== undefined) resolve(response)
        },
      )
    })
  }
}

/** The namespace from a verbose status: the OCI spec's path if it is reachable, else the pid. */
export function netnsOfInfo(
  json: string,
  isNetns: (path: string) => boolean = isMounted,
): NetnsRef | undefined {
  let info: SandboxInfo | null
  try {
    info = JSON.parse(json)
  } catch {
    return undefined
  }
  const network = info?.runtimeSpec?.linux?.namespaces?.find(({ type }) => type === 'network')
  // A sandbox on the host's network has no namespace of its own.
  if (info?.runtimeSpec && !network) return undefined
  if (network?.path && isNetns(network.path)) return { path: network.path }
  return info?.pid ? { pid: info.pid } : undefined
}

const NSFS_MAGIC = 0x6e736673

/**
 * Whether the path opens a namespace. In a container whose mount of /run/netns does not follow the host's, the file is
 * empty or missing.
 */
export function isMounted(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC
  } catch {
    return false
  }
}

interface SandboxInfo {
  readonly pid?: number
  readonly runtimeSpec?: {
    readonly linux?: {
      readonly namespaces?: readonly { readonly type?: string; readonly path?: string }[]
    }
  }
}

interface PodSandbox {
  readonly id: string
  readonly metadata: { readonly uid: string } | null
  readonly state: string
  /** Nanoseconds, as a decimal string. */
  readonly createdAt: string
}

interface ListPodSandboxResponse {
  readonly items: readonly PodSandbox[]
}

interface PodSandboxStatusResponse {
  readonly info: Readonly<Record<string, string>>
}

function loadService(): ServiceDefinition {
  const service = loadSync(join(packageRoot, 'src/sources/netns/cri.proto'), {
    defaults: true,
    arrays: true,
    objects: true,
    longs: String,
    enums: String,
  })['runtime.v1.RuntimeService']
  if (!service || 'format' in service) throw new Error('cri.proto defines no RuntimeService')
  return service
}

function criError(runtime: string, error: ServiceError): MeshaccelError {
  const notFound = error.code === status.NOT_FOUND
  const unimplemented = error.code === status.UNIMPLEMENTED
  return new MeshaccelError(error.details || error.message, {
    code: notFound ? 'CRI_NOT_FOUND' : unimplemented ? 'CRI_TOO_OLD' : 'CRI_UNREACHABLE',
    operation: `ask ${runtime}`,
    hint: unimplemented
      ? 'CRI v1 is needed: containerd 1.6 or CRI-O 1.20.'
      : 'Name its socket with --cri; until it answers, namespaces are found through cgroups.',
    retryable: true,
    cause: error,
  })
}
