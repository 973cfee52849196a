import { MeshaccelError } from '../../../src/lib/errors.ts'
import { pollUntil } from '../../measure/polling.ts'
import type { UndoStack } from '../../system/undo-stack.ts'
import type { Mesh } from '../../topology/mesh.ts'
import type { PodNetwork } from '../../topology/network.ts'
import { runnableBy } from '../executable.ts'
import type { Sidecars } from '../sidecars.ts'
import type { LinkerdBinary } from './binary.ts'
import { controllers, type MeshedPods } from './controllers.ts'
import { isReady, mutualTlsIn, readMetrics } from './admin.ts'
import { proxyEnvironment } from './environment.ts'
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
    assertMutual: (server) => {
      if (mutualTlsIn(readMetrics(server), applicationPort)) return
      throw new MeshaccelError("the server's proxy counts no connection with a client's identity", {
        code: 'NO_MUTUAL_TLS',
        operation: 'encrypt between the two proxies',
        hint: 'Measure this version of the proxy by `--scenario keepalive`.',
      })
    },
  }
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the pod has no stand-ins')
  return value
}
