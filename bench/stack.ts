import { chownSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Endpoint } from './system/endpoint.ts'
import { startReceiver } from './load/stream.ts'
import type { Mode, Scenario } from './options.ts'
import type { Certificates, Hop } from './proxies/hop.ts'
import { startApplication } from './proxies/nginx.ts'
import type { Sidecars } from './proxies/sidecars.ts'
import type { Mesh } from './topology/mesh.ts'
import type { RuleSet } from './topology/rules/redirect.ts'
import { listening, type Pod, startInPod } from './topology/pod.ts'
import type { Waiting } from './measure/polling.ts'
import type { UndoStack } from './system/undo-stack.ts'

export const APPLICATION_PORT = 8080

/** The parts that all of a run shares. */
export interface Place {
  readonly directory: string
  readonly client: Pod
  readonly server: Pod
  readonly mesh: Mesh
  readonly rules: RuleSet
  readonly sidecars: Sidecars
  readonly certificates: ReadonlyMap<string, Certificates>
}

/** Starts application and sidecars afresh for a mode. Returns the address for the load generator. */
export async function startStack(
  stack: UndoStack,
  place: Place,
  scenario: Scenario,
  mode: Mode,
  waiting: Waiting,
): Promise<Endpoint> {
  const { directory, client, server, mesh } = place
  const sockets = join(directory, 'sockets')
  // A killed process leaves its socket, and then the next one cannot bind.
  rmSync(sockets, { recursive: true, force: true })
  mkdirSync(sockets)
  chownSync(sockets, mesh.proxyUid, mesh.proxyUid)
  const application = {
    host: server.address,
    port: APPLICATION_PORT,
    socket: join(sockets, 'application'),
  }
  if (isMeshed(mode)) for (const pod of [client, server]) place.rules.install(stack, pod)
  if (scenario === 'stream') await startReceiver(stack, server, application, waiting)
  else await startApplication(stack, server, directory, application, waiting)
  if (mode === 'direct') return { host: application.host, port: application.port }

  const hops = mode === 'unix' ? unixHops(sockets, application) : meshHops(place, application)
  const protocol = scenario === 'stream' ? 'tcp' : 'http'
  for (const [name, hop] of Object.entries(hops)) {
    const tls = scenario === 'mtls' ? place.certificates.get(name) : undefined
    const full: Hop = { ...hop, protocol, ...(tls ? { tls } : {}) }
    await startSidecar(stack, place, hop.direction === 'outbound' ? client : server, full, waiting)
  }
  // The rules lead the client's connection to its sidecar, whatever its destination.
  return mode === 'unix' ? hops.client.listen : { host: server.address, port: APPLICATION_PORT }
}

/** Whether the rules lead a mode's traffic through the sidecars. */
export const isMeshed = (mode: Mode): boolean => mode !== 'unix' && mode !== 'direct'

type Hops = Readonly<Record<'client' | 'server', Omit<Hop, 'protocol'>>>

function meshHops({ mesh, rules }: Place, application: { host: string; port: number }): Hops {
  const forward = { host: application.host, port: application.port }
  return {
    client: {
      direction: 'outbound',
      listen: { host: '0.0.0.0', port: mesh.outboundPort },
      forward,
    },
    server: {
      direction: 'inbound',
      listen: { host: '0.0.0.0', port: mesh.inboundPort },
      forward,
      source: mesh.inboundSource,
      transparent: rules.transparent,
    },
  }
}

function unixHops(sockets: string, application: { socket: string }): Hops {
  const outbound = { socket: join(sockets, 'outbound') }
  const inbound = { socket: join(sockets, 'inbound') }
  return {
    client: { direction: 'outbound', listen: outbound, forward: inbound },
    server: { direction: 'inbound', listen: inbound, forward: { socket: application.socket } },
  }
}

async function startSidecar(
  stack: UndoStack,
  place: Place,
  pod: Pod,
  hop: Hop,
  waiting: Waiting,
): Promise<void> {
  const { mesh, sidecars } = place
  const { command, env } = sidecars.launch(pod, hop)
  const name = `the ${hop.direction} sidecar`
  const child = await startInPod(stack, pod, name, command, {
    uid: mesh.proxyUid,
    // IP_TRANSPARENT needs it. A sidecar has it if its mesh uses TPROXY.
    capabilities: hop.transparent ? ['net_admin'] : [],
    ...(env ? { env } : {}),
  })
  await listening(pod, child, hop.listen, waiting)
  await sidecars.ready?.(pod, child, waiting)
}
