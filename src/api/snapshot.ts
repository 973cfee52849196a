import { readlinkSync } from 'node:fs'
import type {
  ConnectionGauge,
  Datapath,
  Flow,
  FlowDirection,
  FlowEnd,
  Quarantined,
} from '../datapath/datapath.ts'
import { podKey } from '../observed-pod.ts'
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

/** The state as users see it. */
export function agentState(
  datapath: Pick<Datapath, 'policy' | 'redirecting'>,
  { joined }: Pick<ConnectionGauge, 'joined'>,
): AgentState {
  if (datapath.policy === 'refused') return 'refused'
  if (datapath.redirecting) return 'accelerating'
  return joined > 0 ? 'draining' : 'disabled'
}

/** The pods with what their live connections do. */
export function podViews(seen: readonly SeenPod[], flows: readonly Flow[]): PodView[] {
  const tally = new Map<bigint, { engaged: number; plain: number; redirectedBytes: bigint }>()
  for (const flow of flows) {
    const directions = [flow.clientToServer, flow.serverToClient]
    const engaged = directions.some(({ path }) => path === 'redirect')
    const bytes = directions.reduce((sum, { redirectedBytes }) => sum + redirectedBytes, 0n)
    // Both ends may be in one pod: a sidecar and its application.
    for (const cookie of new Set(endsOf(flow).map(({ netnsCookie }) => netnsCookie))) {
      const sums = tally.get(cookie) ?? { engaged: 0, plain: 0, redirectedBytes: 0n }
      sums[engaged ? 'engaged' : 'plain'] += 1
      sums.redirectedBytes += bytes
      tally.set(cookie, sums)
    }
  }
  return seen.map((pod) => {
    const own =
      pod.enrolled && pod.netnsCookie !== undefined ? tally.get(pod.netnsCookie) : undefined
    const { redirectedBytes, ...connections } = own ?? { engaged: 0, plain: 0, redirectedBytes: 0n }
    return { ...pod, connections, redirectedBytes }
  })
}

/** The programs that read in enrolled pods. */
export function readerViews(
  seen: readonly SeenPod[],
  flows: readonly Flow[],
  quarantined: readonly Quarantined[],
  programOf: (end: Process) => string = executable(),
): ReaderView[] {
  const pods = podsByCookie(seen)
  const readers = new Map<string, Mutable<ReaderView> & { connections: Tally }>()
  const readerOf = (
    process: Process,
  ): (Mutable<ReaderView> & { connections: Tally }) | undefined => {
    const pod = pods.get(process.netnsCookie)
    if (!pod || process.readerPid === 0) return undefined
    const program = programOf(process)
    const key = `${podKey(pod)} ${program}`
    const reader = readers.get(key) ?? {
      namespace: pod.namespace,
      name: pod.name,
      program,
      quarantined: false,
      connections: { proven: 0, unproven: {} },
    }
    readers.set(key, reader)
    return reader
  }
  for (const end of flows.flatMap(endsOf)) {
    const reader = readerOf(end)
    if (!reader) continue
    if (end.proven) reader.connections.proven += 1
    else {
      const { unproven } = reader.connections
      const reason = end.unprovenReason ?? 'unknown'
      unproven[reason] = (unproven[reason] ?? 0) + 1
    }
  }
  for (const program of quarantined) {
    const reader = readerOf(program)
    if (!reader) continue
    reader.quarantined = true
    reader.evidence = program.reason
  }
  return [...readers.values()]
}

/** Whether a quarantined program is the one that a user names. */
export function isNamed(
  seen: readonly SeenPod[],
  { namespace, name, program }: ReaderName,
  programOf: (end: Process) => string = executable(),
): (quarantined: Quarantined) => boolean {
  const pods = podsByCookie(seen)
  return (quarantined) => {
    const pod = pods.get(quarantined.netnsCookie)
    return pod?.namespace === namespace && pod.name === name && programOf(quarantined) === program
  }
}

/** Who reads. */
type Process = Pick<FlowEnd, 'netnsCookie' | 'readerPid' | 'readerComm'>

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

interface Tally {
  proven: number
  unproven: Record<string, number>
}

/** The live connections with their pods' names, made one by one. */
export function* flowViews(
  seen: readonly SeenPod[],
  flows: readonly Flow[],
  filter: FlowFilter = {},
): Generator<FlowView> {
  const pods = podsByCookie(seen)
  const end = ({ netnsCookie, address, remoteAddress }: FlowEnd): FlowEndView => {
    const pod = pods.get(netnsCookie)
    return {
      pod: pod ? podKey(pod) : '',
      address,
      ...(remoteAddress === undefined ? {} : { remote: remoteAddress }),
    }
  }
  const limit = filter.limit || Infinity
  let matching = 0
  for (const flow of flows) {
    if (matching === limit) return
    if (!matches(flow, filter, pods)) continue
    matching += 1
    const { identity, state, ageMs, client, server, clientToServer, serverToClient } = flow
    yield {
      identity,
      state,
      ageMs: BigInt(Math.round(ageMs)),
      ...(client ? { client: end(client) } : {}),
      ...(server ? { server: end(server) } : {}),
      directions: [direction('client', clientToServer), direction('server', serverToClient)],
    }
  }
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
    (!pod || endsOf(flow).some(isOfPod)) &&
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

function endsOf({ client, server }: Flow): FlowEnd[] {
  return [client, server].filter((end) => end !== undefined)
}

/** The enrolled pods. */
export function podsByCookie(seen: readonly SeenPod[]): Map<bigint, SeenPod> {
  return new Map(
    seen.flatMap((pod) =>
      pod.enrolled && pod.netnsCookie !== undefined ? [[pod.netnsCookie, pod] as const] : [],
    ),
  )
}

/** Names the program of an end by its executable; looks each process up once. */
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
