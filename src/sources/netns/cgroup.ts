import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { processIds, readProcessStat } from '../../lib/proc.ts'
import type { NetnsRef } from '../../pods/observed-pod.ts'
import type { NetnsFinder } from './finder.ts'

/**
 * Finds pods by the cgroups of their processes. Kubelet names them, with either driver and in every version:
 * `/kubepods/burstable/pod<uid>/…`, `/kubepods.slice/…/kubepods-burstable-pod<uid with _>.slice/…`. This reads every
 * process of the node; it is for a container runtime that does not answer. If the node itself is in a pod, its own pods
 * are further down in the path. Each agent knows the pods of its own node.
 */
export class CgroupFinder implements NetnsFinder {
  readonly name = 'the cgroups of processes'
  readonly #proc: string

  constructor(proc = '/proc') {
    this.#proc = proc
  }

  async find(uids: ReadonlySet<string>): Promise<ReadonlyMap<string, NetnsRef>> {
    const first = new Map<string, { readonly pid: number; readonly startedAt: bigint }>()
    for (const pid of processIds(this.#proc)) {
      const uid = this.#podsOf(pid).find((each) => uids.has(each))
      if (uid === undefined) continue
      const startedAt = readProcessStat(pid, this.#proc)?.startedAtTicks
      if (startedAt === undefined) continue
      // The first process is the sandbox's own. A later one may have created another network namespace.
      const other = first.get(uid)
      if (!other || startedAt < other.startedAt) first.set(uid, { pid, startedAt })
    }
    return new Map([...first].map(([uid, { pid }]) => [uid, { pid }]))
  }

  #podsOf(pid: number): string[] {
    const lines = read(join(this.#proc, String(pid), 'cgroup')).split('\n')
    return lines.flatMap((line) =>
      podsOfCgroup(line.slice(line.indexOf(':', line.indexOf(':') + 1) + 1)),
    )
  }
}

/**
 * A uid of the API server, or of a static pod (a hash). The container's name may follow the slice. A runtime with
 * another driver than kubelet's takes `SLICE:PREFIX:CONTAINER` for a name.
 */
const podSegment =
  /(?:^|-)pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice(?::.*)?)?$/

/**
 * CRI-O's monitor of a container may be in the pod's cgroup before the container's first process. It uses the host's
 * network.
 */
const monitor = /^crio-conmon-/

/** The uids of the pods that contain a cgroup, innermost first; empty if it is not kubelet's. Pure. */
export function podsOfCgroup(path: string): string[] {
  const segments = path.split('/')
  if (segments.some((segment) => monitor.test(segment))) return []
  return segments
    .flatMap((segment) => podSegment.exec(segment)?.[1] ?? [])
    .map((uid) => uid.replaceAll('_', '-'))
    .toReversed()
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process has just ended.
    return ''
  }
}
