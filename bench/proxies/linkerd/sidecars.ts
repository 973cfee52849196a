import { pollUntil } from '../../measure/polling.ts'
import type { UndoStack } from '../../system/undo-stack.ts'
import type { Mesh } from '../../topology/mesh.ts'
import { inside, type PodNetwork } from '../../topology/network.ts'
import { runnableBy } from '../executable.ts'
import type { Sidecars } from '../sidecars.ts'
import type { LinkerdBinary } from './binary.ts'
import { controllers, type MeshedPods } from './controllers.ts'
import { ADMIN_PORT, proxyEnvironment } from './environment.ts'
import { type Identity, IdentityIssuer } from './identity.ts'
import { serveInPods } from './serve-in-pods.ts'

const READY_EVERY_MS = 50

export interface LinkerdSetting {
  readonly directory: string
  readonly mesh: Mesh
  /** Every pod that may get a sidecar. */
  readonly pods: readonly PodNetwork[]
  readonly applicationPort: number
}

/** Linkerd's own proxy, with stand-ins for its controllers until the stack ends. */
export function linkerdSidecars(
  stack: UndoStack,
  { path, version }: LinkerdBinary,
  { directory, mesh, pods, applicationPort }: LinkerdSetting,
): Sidecars {
  const binary = runnableBy(mesh.proxyUid, path, directory)
  const issuer = new IdentityIssuer(directory, mesh.proxyUid)
  const { trustAnchors } = issuer
  const identities = new Map(pods.map(({ name }) => [name, issuer.create(name)] as const))
  const identityOf = ({ name }: PodNetwork): Identity => known(identities.get(name))
  const serve = (meshed: MeshedPods): ReadonlyMap<string, number> =>
    serveInPods(stack, pods, controllers(issuer, meshed))
  const plain = serve(new Map())
  // With these a proxy knows the identity of the other one.
  const mutual = serve(new Map(pods.map((pod) => [pod.address, identityOf(pod).name] as const)))
  return {
    software: 'linkerd2-proxy',
    version,
    launch: (pod, { tls }) => ({
      // It logs to stdout. The bench quotes the stderr of a process that fails.
      command: ['bash', '-c', 'exec "$0" >&2', binary],
      env: proxyEnvironment({
        mesh,
        pod: pod.name,
        address: pod.address,
        applicationPort,
        identity: identityOf(pod),
        trustAnchors,
        controllersPort: known((tls ? mutual : plain).get(pod.name)),
      }),
    }),
    ready: async (pod, child, waiting) => {
      await pollUntil(
        () => {
          child.assertRunning()
          return isReady(pod) ? true : undefined
        },
        {
          operation: `wait for ${child.name} to get its certificate`,
          waiting,
          everyMs: READY_EVERY_MS,
          reason: () => child.stderr,
        },
      )
    },
  }
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the pod has no stand-ins')
  return value
}

/** Whether the proxy has its certificate. It listens before, but forwards nothing. */
function isReady({ netns }: PodNetwork): boolean {
  const request = `GET /ready HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n`
  const script = `exec 3<>/dev/tcp/127.0.0.1/${ADMIN_PORT} && printf '${request}' >&3 && read -rt 2 line <&3 && echo "$line"`
  const answer = inside(netns, 'bash', '-c', `(${script}) 2>/dev/null || true`)
  return answer.startsWith('HTTP/1.1 200')
}
