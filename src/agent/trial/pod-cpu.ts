/** The processor time of pods, as the cgroups of their processes account for it. */

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { mountOf, readMounts } from '../../lib/mountinfo.ts'
import { processIds } from '../../lib/proc.ts'
import { parsePlace } from '../../datapath/watched-cgroup.ts'

export interface PodCgroups {
  /** `namespace/name`. */
  readonly pod: string
  /** Directories; none if the pod's processes are in no cgroup that is known from here. */
  readonly cgroups: readonly string[]
}

/**
 * Finds the cgroups of pods by the network namespaces of processes. `root` is the mount point of cgroup v2. The root
 * cgroup is left out: it accounts for the whole node.
 */
export function podCgroups(
  pods: readonly { readonly pod: string; readonly netnsPath: string }[],
  root: string,
): PodCgroups[] {
  const found = new Map<number, Set<string>>()
  for (const { netnsPath } of pods) {
    const inode = inodeOf(netnsPath)
    if (inode !== undefined) found.set(inode, new Set())
  }
  const top = parsePlace(mountOf(readMounts(), root)?.root ?? '/')
  for (const pid of processIds()) {
    const cgroups = found.get(inodeOf(`/proc/${pid}/ns/net`) ?? -1)
    if (!cgroups) continue
    const path = /^0::(\/.*)$/m.exec(read(`/proc/${pid}/cgroup`))?.[1]
    if (path === undefined) continue
    const { up, names } = parsePlace(path)
    // From inside a cgroup namespace, the names between the two roots are unknown.
    if (up !== top.up || !top.names.every((name, index) => names[index] === name)) continue
    const below = names.slice(top.names.length)
    if (below.length > 0) cgroups.add(join(root, ...below))
  }
  return pods.map(({ pod, netnsPath }) => ({
    pod,
    cgroups: [...(found.get(inodeOf(netnsPath) ?? -1) ?? [])].toSorted(),
  }))
}

/** The processor time so far in microseconds; undefined if the cgroup is gone. */
export function cgroupCpuUs(cgroup: string): number | undefined {
  const usage = /^usage_usec (\d+)$/m.exec(read(join(cgroup, 'cpu.stat')))?.[1]
  return usage === undefined ? undefined : Number(usage)
}

/** Processor time of pods during a window. */
export interface CpuUse {
  /** Each cgroup counts once, even if pods share it. Undefined if nothing is known. */
  readonly totalUs: number | undefined
  readonly pods: readonly { readonly pod: string; readonly cpuUs: number }[]
}

/** Begins to count. The result returns the use since then. */
export function countCpu(
  pods: readonly PodCgroups[],
  usageOf: (cgroup: string) => number | undefined = cgroupCpuUs,
): () => CpuUse {
  const cgroups = [...new Set(pods.flatMap((pod) => pod.cgroups))]
  const before = new Map(cgroups.map((cgroup) => [cgroup, usageOf(cgroup)]))
  return () => {
    const used = new Map<string, number>()
    for (const [cgroup, from] of before) {
      const to = usageOf(cgroup)
      if (from !== undefined && to !== undefined) used.set(cgroup, to - from)
    }
    const sum = (of: readonly string[]): number =>
      of
        // A cgroup's use includes the cgroups below it.
        .filter((one) => !of.some((other) => one.startsWith(`${other}/`)))
        .reduce((total, cgroup) => total + (used.get(cgroup) ?? 0), 0)
    return {
      totalUs: used.size === 0 ? undefined : sum([...used.keys()]),
      pods: pods
        .filter((pod) => pod.cgroups.some((cgroup) => used.has(cgroup)))
        .map((pod) => ({ pod: pod.pod, cpuUs: sum(pod.cgroups) })),
    }
  }
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino
  } catch {
    return undefined
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process or the cgroup has just ended.
    return ''
  }
}
