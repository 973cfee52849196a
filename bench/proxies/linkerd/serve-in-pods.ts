import { createServer } from 'node:net'
import { type Server, ServerCredentials } from '@grpc/grpc-js'
import { listenOnLoopback, withNetns } from 'libbpf'
import type { UndoStack } from '../../system/undo-stack.ts'
import type { PodNetwork } from '../../topology/network.ts'

/**
 * Lets a gRPC server listen on loopback in each pod until the stack ends. Linkerd's proxy uses no TLS there. The server
 * stays in the bench's process, so its CPU time does not count as a pod's. Returns the port by pod.
 */
export function serveInPods(
  stack: UndoStack,
  pods: readonly PodNetwork[],
  server: Server,
): ReadonlyMap<string, number> {
  stack.defer("stop the stand-ins of Linkerd's controllers", () => server.forceShutdown())
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  return new Map(
    pods.map(({ name, netns }) => {
      const { fd, port } = withNetns(netns, () => listenOnLoopback())
      const listener = createServer((socket) => injector.injectConnection(socket))
      stack.defer(`stop listening in the ${name} pod`, () => void listener.close())
      listener.listen({ fd })
      return [name, port] as const
    }),
  )
}
