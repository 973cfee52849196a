import {
  ApiException,
  CoreV1Api,
  type KubeConfig,
  type V1Node,
  type V1Pod,
} from '@kubernetes/client-node'
import { MeshaccelError } from '../../src/lib/errors.ts'
import { sidecarMeshes } from '../../src/pods/meshes.ts'
import { pollUntil, type Waiting } from '../measure/polling.ts'
import { CONTAINER, namespaceOf, type Arm, serviceOf } from './manifests.ts'
import type { MeshName } from '../topology/mesh.ts'

const POD_MS = 180_000
const GONE_MS = 180_000
const EVERY_MS = 100
/** Waiting reasons of a container that will never start. */
const hopeless =
  /^(ErrImagePull|ImagePullBackOff|InvalidImageName|CreateContainer.*Error|CrashLoopBackOff)$/
const isSidecar = ({ name }: { readonly name: string }): boolean =>
  [sidecarMeshes.istio, sidecarMeshes.linkerd].some(({ containers }) => containers.test(name))

/** The Kubernetes calls of the bench. Each error names the operation. */
export class Cluster {
  readonly #api: CoreV1Api
  readonly #waiting: Waiting
  /** The namespaces that exist as far as is known: all except those whose creation was refused. */
  readonly namespaces: Set<string> = new Set()

  constructor(config: KubeConfig, waiting: Waiting) {
    this.#api = config.makeApiClient(CoreV1Api)
    this.#waiting = waiting
  }

  async createArm(arm: Arm, mesh: MeshName, revision: string | undefined): Promise<void> {
    const { namespace } = arm
    await this.#call(`create namespace ${namespace}`, async () => {
      this.namespaces.add(namespace)
      try {
        await this.#api.createNamespace({ body: namespaceOf(arm, mesh, revision) })
      } catch (error) {
        if (error instanceof ApiException) this.namespaces.delete(namespace)
        throw error
      }
    })
    await this.#call(`create a service in ${namespace}`, () =>
      this.#api.createNamespacedService({ namespace, body: serviceOf() }),
    )
  }

  /** Creates a pod and waits until all its containers are ready. Throws NOT_INJECTED if it has no sidecar. */
  async startServer(namespace: string, body: V1Pod): Promise<V1Pod> {
    await this.#createPod(namespace, body)
    const ready = await this.#podWhere(namespace, body, 'be ready', ({ status }) =>
      Boolean(
        status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
      ),
    )
    const { containers = [], initContainers = [] } = ready.spec ?? {}
    if ([...containers, ...initContainers].some(isSidecar)) return ready
    throw new MeshaccelError('it has no sidecar', {
      code: 'NOT_INJECTED',
      operation: `start a meshed pod in ${namespace}`,
      hint: 'Is the mesh installed, and the right one? --mesh names it, --revision the revision of Istio.',
    })
  }

  /** Runs a pod until its load ends, returns its output, and deletes the pod. */
  async runLoad(namespace: string, body: V1Pod): Promise<string> {
    const name = body.metadata?.name ?? ''
    await this.#createPod(namespace, body)
    // The sidecar keeps running after the load, so the pod itself does not end.
    await this.#podWhere(namespace, body, 'end', (pod) => terminated(pod) !== undefined)
    const log = await this.#call(`read the log of ${namespace}/${name}`, () =>
      this.#api.readNamespacedPodLog({ namespace, name, container: CONTAINER }),
    )
    await this.#call(`delete pod ${namespace}/${name}`, () =>
      this.#api.deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 }),
    )
    return log
  }

  async node(name: string): Promise<V1Node> {
    return this.#call(`read node ${name}`, () => this.#api.readNode({ name }))
  }

  /** Whether an agent runs on the node; undefined if the query is forbidden. */
  async hasAgent(node: string): Promise<boolean | undefined> {
    try {
      const { items } = await this.#api.listPodForAllNamespaces({
        fieldSelector: `spec.nodeName=${node}`,
        labelSelector: 'app.kubernetes.io/name=meshaccel',
      })
      return items.some(({ status }) => status?.phase === 'Running')
    } catch {
      return undefined
    }
  }

  /** Deletes a namespace with its content and waits until it is gone, even after an interrupt. */
  async deleteNamespace(name: string): Promise<void> {
    const operation = `delete namespace ${name}`
    const isGone = async (ask: () => Promise<unknown>): Promise<true | undefined> => {
      try {
        await ask()
        return undefined
      } catch (error) {
        if (error instanceof ApiException && error.code === 404) return true
        throw failure(operation, error)
      }
    }
    if (await isGone(() => this.#api.deleteNamespace({ name }))) return
    await pollUntil(() => isGone(() => this.#api.readNamespace({ name })), {
      operation,
      waiting: { signal: new AbortController().signal, say: this.#waiting.say },
      timeoutMs: GONE_MS,
      everyMs: EVERY_MS,
    })
  }

  async #createPod(namespace: string, body: V1Pod): Promise<void> {
    await this.#call(`create pod ${namespace}/${body.metadata?.name}`, () =>
      this.#api.createNamespacedPod({ namespace, body }),
    )
  }

  async #podWhere(
    namespace: string,
    { metadata }: V1Pod,
    what: string,
    isIt: (pod: V1Pod) => boolean,
  ): Promise<V1Pod> {
    const name = metadata?.name ?? ''
    const operation = `wait for pod ${namespace}/${name} to ${what}`
    let last = ''
    return pollUntil(
      async () => {
        const pod = await this.#call(operation, () =>
          this.#api.readNamespacedPod({ namespace, name }),
        )
        last = waitsFor(pod)
        if (isIt(pod)) return pod
        if (hopeless.test(last.split(':')[0] ?? '')) {
          throw new MeshaccelError(last, { code: 'POD_FAILED', operation })
        }
        return undefined
      },
      {
        operation,
        waiting: this.#waiting,
        timeoutMs: POD_MS,
        everyMs: EVERY_MS,
        reason: () => `not within ${POD_MS / 1000} s: ${last}`,
      },
    )
  }

  async #call<Answer>(operation: string, ask: () => Promise<Answer>): Promise<Answer> {
    this.#waiting.signal.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      throw failure(operation, error)
    }
  }
}

const terminated = ({ status }: V1Pod): unknown =>
  status?.containerStatuses?.find(({ name }) => name === CONTAINER)?.state?.terminated

/** For example `ImagePullBackOff: Back-off pulling image ...`, or another status of the pod. */
function waitsFor({ status }: V1Pod): string {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  const waiting = all.flatMap(({ state }) => state?.waiting ?? [])
  const [first] = [...waiting.filter(({ reason = '' }) => hopeless.test(reason)), ...waiting]
  const unscheduled = status?.conditions?.find(
    ({ type, status: is }) => type === 'PodScheduled' && is === 'False',
  )
  const { reason, message } = first ?? unscheduled ?? { reason: status?.phase }
  return `${reason ?? 'nothing is known of it'}${message === undefined ? '' : `: ${message}`}`
}

function failure(operation: string, error: unknown): MeshaccelError {
  if (!(error instanceof ApiException)) {
    return new MeshaccelError(error instanceof Error ? error.message : String(error), {
      code: 'API_UNREACHABLE',
      operation,
      hint: 'Is the API server of the kubeconfig up?',
      cause: error,
    })
  }
  const body: unknown = error.body
  const said = typeof body === 'string' ? body : JSON.stringify(body)
  return new MeshaccelError(`the API server answers ${error.code}: ${said}`, {
    code: error.code === 403 ? 'API_FORBIDDEN' : 'API_FAILED',
    operation,
    hint:
      error.code === 403
        ? 'It takes the right to create and delete namespaces, pods and services, and to read pods, logs and nodes.'
        : undefined,
    cause: error,
  })
}
