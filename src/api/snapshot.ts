import { readlinkSync } from 'node:fs'
import type {
  ConnectionGauge,
  Datapath,
  Flow,
  FlowDirection,
  FlowEnd,
  Quarantined,
} from '../datapath/datapath.ts'
import { podKey } from '../pods/observed-pod.ts'
import type { SeenPod } from '../reconcile/desired.ts'
import type {
  AgentState,
  FlowEndView,
  FlowFilter,
  FlowView,
  PodView,
  ReaderName,
  ReaderView,
} from './views.ts'

/** The agent's state, as users see it. */
export function agentState(
  datapath: Pick<Datapath, 'policy' | 'redirecting'>,
  { joined }: Pick<ConnectionGauge, 'joined'>,
): AgentState {
  if (datapath.policy === 'refused') return 'refused'
  if (datapath.redirecting) return 'accelerating'
  return joined > 0 ? 'draining' : 'disabled'
}

/** Counts the live connections as they are read. */
export interface FlowCounter {
  add(flow: Flow): void
}

interface PodSums {
  engaged: number
  plain: number
  redirectedBytes: bigint
}

/** Sums over the live connections of each pod. */
export class PodTally implements FlowCounter {
  readonly #sums = new Map<bigint, PodSums>()

  add(flow: Flow): void {
    const { client, server, clientToServer, serverToClient } = flow
    const engaged = isEngaged(flow)
    const bytes = clientToServer.redirectedBytes + serverToClient.redirectedBytes
    if (client) this.#count(client, engaged, bytes)
    // Both ends may be in one pod: a sidecar and its application.
    if (server && server.netnsCookie !== client?.netnsCookie) this.#count(server, engaged, bytes)
  }

  /** Returns the pods with their sums. `heldBy` says who holds a pod on TCP. */
  views(seen: readonly SeenPod[], heldBy: (pod: SeenPod) => PodView['heldBy']): PodView[] {
    return seen.map((pod) => {
      const { guard: _, ...shown } = pod
      const holder = heldBy(pod)
      const sums =
        pod.enrolled && pod.netnsCookie !== undefined ? this.#sums.get(pod.netnsCookie) : undefined
      const { redirectedBytes, ...connections } = sums ?? noSums
      return {
        ...shown,
        ...(holder === undefined ? {} : { heldBy: holder }),
        connections,
        redirectedBytes,
      }
    })
  }

  #count({ netnsCookie }: FlowEnd, engaged: boolean, redirectedBytes: bigint): void {
    let sums = this.#sums.get(netnsCookie)
    if (!sums) this.#sums.set(netnsCookie, (sums = { ...noSums }))
    sums[engaged ? 'engaged' : 'plain'] += 1
    sums.redirectedBytes += redirectedBytes
  }
}

const noSums: Readonly<PodSums> = { engaged: 0, plain: 0, redirectedBytes: 0n }

type Reader = Mutable<ReaderView> & { readonly connections: ProofTally }

/** The programs that read in enrolled pods. */
export class ReaderTally implements FlowCounter {
  readonly #pods: ReadonlyMap<bigint, SeenPod>
  readonly #programOf = executable()
  readonly #readers = new Map<string, Reader>()

  constructor(seen: readonly SeenPod[]) {
    this.#pods = podsByCookie(seen)
  }

  add({ client, server }: Flow): void {
    if (client) this.#count(client)
    if (server) this.#count(server)
  }

  /** Returns these programs and the quarantined ones. */
  views(quarantined: readonly Quarantined[]): ReaderView[] {
    for (const program of quarantined) {
      const reader = this.#readerOf(program)
      if (!reader) continue
      reader.quarantined = true
      reader.evidence = program.reason
    }
    return [...this.#readers.values()]
  }

  #count(end: FlowEnd): void {
    const reader = this.#readerOf(end)
    if (!reader) return
    const { connections } = reader
    if (end.proven) {
      connections.proven += 1
      return
    }
    const reason = end.unprovenReason ?? 'unknown'
    connections.unproven[reason] = (connections.unproven[reason] ?? 0) + 1
  }

  #readerOf(process: Process): Reader | undefined {
    const pod = this.#pods.get(process.netnsCookie)
    if (!pod || process.readerPid === 0) return undefined
    const program = this.#programOf(process)
    const key = `${podKey(pod)} ${program}`
    const known = this.#readers.get(key)
    if (known) return known
    const { namespace, name } = pod
    const connections = { proven: 0, unproven: {} }
    const reader = { namespace, name, program, quarantined: false, connections }
    this.#readers.set(key, reader)
    return reader
  }
}

/** Whether a quarantined program is the one that a user named. */
export function isNamed(
  seen: readonly SeenPod[],
  { namespace, name, program }: ReaderName,
): (quarantined: Quarantined) => boolean {
  const pods = podsByCookie(seen)
  const programOf = executable()
  return (quarantined) => {
    const pod = pods.get(quarantined.netnsCookie)
    return pod?.namespace === namespace && pod.name === name && programOf(quarantined) === program
  }
}

/** A reader. */
type Process = Pick<FlowEnd, 'netnsCookie' | 'readerPid' | 'readerComm'>

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

interface ProofTally {
  proven: number
  unproven: Record<string, number>
}

/** A chunk of this size is well below gRPC's limit of 4 MiB for a message. */
const flowsPerChunk = 500

/** The live connections that match the filter, in chunks. */
export async function* flowViews(
  seen: readonly SeenPod[],
  flows: AsyncIterable<readonly Flow[]>,
  filter: FlowFilter,
): AsyncGenerator<FlowView[]> {
  const pods = podsByCookie(seen)
  const limit = filter.limit || Infinity
  let matching = 0
  let chunk: FlowView[] = []
  for await (const some of flows) {
    for (const flow of some) {
      if (!matches(flow, filter, pods)) continue
      matching += 1
      chunk.push(flowView(flow, pods))
      if (chunk.length < flowsPerChunk && matching < limit) continue
      yield chunk
      if (matching === limit) return
      chunk = []
    }
  }
  if (chunk.length > 0) yield chunk
}

/** A connection with the names of its pods. */
export function flowView(flow: Flow, pods: ReadonlyMap<bigint, SeenPod>): FlowView {
  const end = ({ netnsCookie, address, remoteAddress }: FlowEnd): FlowEndView => {
    const pod = pods.get(netnsCookie)
    return {
      pod: pod ? podKey(pod) : '',
      address,
      ...(remoteAddress === undefined ? {} : { remote: remoteAddress }),
    }
  }
  const { identity, state, ageMs, client, server, clientToServer, serverToClient } = flow
  return {
    identity,
    state,
    ageMs: BigInt(Math.round(ageMs)),
    ...(client ? { client: end(client) } : {}),
    ...(server ? { server: end(server) } : {}),
    directions: [direction('client', clientToServer), direction('server', serverToClient)],
  }
}

/**
 * The rule of advice or of a trial excludes connections, and their ends remember that after the rule is gone. If a pod is
 * not enrolled, that is the reason.
 */
export function withoutAdvice(flow: Flow, pods: ReadonlyMap<bigint, SeenPod>): Flow {
  const { client, server, clientToServer, serverToClient } = flow
  if ([client, server].every((end) => !end || pods.has(end.netnsCookie))) return flow
  return {
    ...flow,
    clientToServer: corrected(clientToServer),
    serverToClient: corrected(serverToClient),
  }
}

const corrected = (held: FlowDirection): FlowDirection =>
  held.reason === 'excluded' ? { ...held, reason: 'remote-peer' } : held

/** Whether at least one direction is redirected. */
export function isEngaged({ clientToServer, serverToClient }: Flow): boolean {
  return clientToServer.path === 'redirect' || serverToClient.path === 'redirect'
}

function matches(
  flow: Flow,
  { pod, reason, path }: FlowFilter,
  pods: ReadonlyMap<bigint, SeenPod>,
): boolean {
  const directions = [flow.clientToServer, flow.serverToClient]
  const isOfPod = ({ netnsCookie }: FlowEnd): boolean => {
    const found = pods.get(netnsCookie)
    return found !== undefined && podKey(found) === pod
  }
  return (
    (!pod || [flow.client, flow.server].some((end) => end && isOfPod(end))) &&
    (!reason || directions.some((each) => each.reason === reason)) &&
    (!path || directions.some((each) => each.path === path))
  )
}

function direction(
  from: string,
  { unreadBytes, ...rest }: FlowDirection,
): FlowView['directions'][0] {
  return { from, ...rest, unreadBytes: BigInt(unreadBytes) }
}

/** The enrolled pods by netns cookie. */
export function podsByCookie(seen: readonly SeenPod[]): Map<bigint, SeenPod> {
  return new Map(
    seen.flatMap((pod) =>
      pod.enrolled && pod.netnsCookie !== undefined ? [[pod.netnsCookie, pod] as const] : [],
    ),
  )
}

/** Returns a function that names the program of an end by its executable. It looks up each process once. */
function executable(): (end: Process) => string {
  const found = new Map<number, string>()
  return ({ readerPid, readerComm }) => {
    let program = found.get(readerPid)
    if (program === undefined) {
      program = readExecutable(readerPid) ?? readerComm
      found.set(readerPid, program)
    }
    return program
  }
}

function readExecutable(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')
  } catch {
    return undefined
  }
}
