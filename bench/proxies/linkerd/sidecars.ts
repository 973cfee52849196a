import { pollUntil } from '../../measure/polling.ts'
import type { UndoStack } from '../../system/undo-stack.ts'
import type { Mesh } from '../../topology/mesh.ts'
import { inside, type PodNetwork } from '../../topology/network.ts'
import { runnableBy } from '../executable.ts'
import type { Sidecars } from '../sidecars.ts'
import type { LinkerdBinary } from './binary.ts'
import { controllers } from './controllers.ts'
import { ADMIN_PORT, proxyEnvironment } from './environment.ts'
import { IdentityIssuer } from './identity.ts'
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
  const ports = serveInPods(stack, pods, controllers(issuer))
  const environments = new Map(
    pods.map(({ name: pod, address }) => {
      const identity = issuer.create(pod)
      const controllersPort = ports.get(pod) ?? 0
      const { trustAnchors } = issuer
      const own = { pod, address, identity, trustAnchors, controllersPort }
      return [pod, proxyEnvironment({ mesh, applicationPort, ...own })] as const
    }),
  )
  return {
    software: 'linkerd2-proxy',
    version,
    launch: ({ name }) => ({
      // It logs to stdout. The bench quotes the stderr of a process that fails.
      command: ['bash', '-c', 'exec "$0" >&2', binary],
      env: environments.get(name) ?? {},
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

/** Whether the proxy has its certificate. It listens before, but forwards nothing. */
function isReady({ netns }: PodNetwork): boolean {
  const request = `GET /ready HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n`
  const script = `exec 3<>/dev/tcp/127.0.0.1/${ADMIN_PORT} && printf '${request}' >&3 && read -rt 2 line <&3 && echo "$line"`
  const answer = inside(netns, 'bash', '-c', `(${script}) 2>/dev/null || true`)
  return answer.startsWith('HTTP/1.1 200')
}
