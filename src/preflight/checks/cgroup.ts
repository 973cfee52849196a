import { dirname, join } from 'node:path'
import { isHierarchyRoot } from '../../lib/cgroup.ts'
import { cgroup2Mount, isReadOnly, type Mount, mountOf } from '../../lib/mountinfo.ts'
import { hasCapability } from '../capabilities.ts'
import type { Check, Finding, Place } from '../finding.ts'
import type { Machine } from '../machine.ts'

const USUAL = '/sys/fs/cgroup'
const needs =
  'Programs are attached to a cgroup v2 directory; they see the sockets of what runs below.'

/** The mount of the watched directory, if there is one. */
function watched(machine: Machine, { cgroup }: Place): Mount | undefined {
  if (cgroup === undefined) return cgroup2Mount(machine.mounts)
  const mount = mountOf(machine.mounts, machine.realPath(cgroup))
  return mount?.type === 'cgroup2' ? mount : undefined
}

export const cgroup2: Check = (machine, place) => {
  // `cleanup` needs no path: the pins know their cgroup.
  if (place.purpose === 'cleanup') return undefined
  if (place.cgroup !== undefined && !machine.exists(place.cgroup)) {
    return noSuchCgroup(place.cgroup, 'does not exist')
  }
  if (watched(machine, place)) return undefined
  if (place.cgroup !== undefined) return noSuchCgroup(place.cgroup, 'is not on cgroup v2')
  const finding = { check: 'cgroup2', found: 'cgroup v2 is not mounted', means: needs } as const
  if (!/^nodev\tcgroup2$/m.test(machine.read('/proc/filesystems') ?? '')) {
    return {
      ...finding,
      level: 'fatal',
      found: 'this kernel has no cgroup v2',
      mend: 'boot a kernel with CONFIG_CGROUPS=y and CONFIG_CGROUP_BPF=y, such as that of a distribution',
    }
  }
  const { type } = mountOf(machine.mounts, USUAL) ?? {}
  // A tmpfs holds the hierarchies of cgroup v1.
  const at = type === 'sysfs' ? USUAL : type === 'tmpfs' ? join(USUAL, 'unified') : undefined
  const mend =
    at === join(USUAL, 'unified')
      ? `mkdir -p ${at} && mount -t cgroup2 none ${at}`
      : `mount -t cgroup2 none ${at ?? USUAL}`
  if (at === undefined || !hasCapability(machine, 'CAP_SYS_ADMIN') || !isWritable(machine, at)) {
    return { ...finding, level: 'fatal', mend }
  }
  return {
    ...finding,
    level: 'note',
    means: `${needs} It is mounted when it is needed.`,
    mend,
    mounts: { type: 'cgroup2', at },
  }
}

/** The mount point may have to be created. */
const isWritable = (machine: Machine, at: string): boolean =>
  machine.exists(at) || !machine.isReadOnly(at)

const noSuchCgroup = (cgroup: string, why: string): Finding => ({
  check: 'cgroup2',
  level: 'fatal',
  found: `the cgroup ${cgroup} ${why}`,
  means: needs,
  mend: 'name a directory of the cgroup v2 hierarchy with --cgroup, or leave it out',
})

export const cgroupReadOnly: Check = (machine, place) => {
  const mount = watched(machine, place)
  if (!mount || !isReadOnly(mount) || place.purpose === 'cleanup') return undefined
  return {
    check: 'cgroup-read-only',
    level: 'refused',
    found: `cgroup v2 at ${mount.mountPoint} is read-only`,
    means: 'The self-test needs a scratch cgroup in it before anything is attached.',
    mend: `mount -o remount,bind,rw ${mount.mountPoint}; in a container, mount the host's read-write`,
  }
}

/** Checks for a cgroup namespace. In one, the hierarchy begins at the container's own cgroup. */
export const cgroupPart: Check = (machine, place) => {
  const mount = watched(machine, place)
  if (!mount || place.purpose === 'cleanup' || place.purpose === 'bench') return undefined
  if (isHierarchyRoot(mount.mountPoint, (path) => machine.exists(path))) return undefined
  return {
    check: 'cgroup-part',
    level: 'warning',
    found: `${mount.mountPoint} shows a part of the cgroup hierarchy, not its root`,
    means:
      'Pods outside of that part are not seen. It is right inside a node that is a container (kind, k3d).',
    mend: "docker run --cgroupns=host …; in Kubernetes, mount the host's /sys/fs/cgroup and name it with --cgroup",
  }
}

/** Yields a cgroup and its ancestors up to the mount point, from below. */
function* upFrom(cgroup: string, { mountPoint }: Mount): Generator<string> {
  for (let at = cgroup; at !== mountPoint && at !== dirname(at); at = dirname(at)) yield at
  yield mountPoint
}

/**
 * Checks for other programs on the cgroup and its ancestors. The kernel refuses ours in or below a cgroup with an
 * exclusive program. If the other one permits an override, ours would disable it for the cgroups below. The nearest one
 * decides.
 */
export const cgroupClaimed: Check = (machine, place) => {
  const mount = watched(machine, place)
  if (!mount || place.purpose === 'cleanup') return undefined
  const cgroup = machine.realPath(place.cgroup ?? mount.mountPoint)
  for (const at of upFrom(cgroup, mount)) {
    const { mode = 'multi', programs: [program] = [] } = machine.sockops(at) ?? {}
    if (!program) continue
    if (mode === 'multi') return undefined
    const name = program.name === '' ? 'without a name' : program.name
    return {
      check: 'cgroup-claimed',
      level: 'refused',
      found: `the sockops program ${name} (id ${program.id}) does not share the cgroup ${at}: it is attached ${
        mode === 'exclusive' ? 'exclusively' : 'to be overridden'
      }`,
      means:
        mode === 'exclusive'
          ? 'The kernel attaches no other sockops program there or below.'
          : 'The kernel attaches no other sockops program there, and one below would take its place.',
      mend: `ask its owner to attach it with BPF_F_ALLOW_MULTI, as links do; bpftool cgroup show ${at} lists it`,
    }
  }
  return undefined
}

export const cgroupHybrid: Check = (machine) => {
  const mount = cgroup2Mount(machine.mounts)
  if (!mount || !machine.mounts.some(({ type }) => type === 'cgroup')) return undefined
  return {
    check: 'cgroup-hybrid',
    level: 'note',
    found: `cgroup v1 is mounted beside cgroup v2, which is at ${mount.mountPoint}`,
    means: `The v2 hierarchy is used. On Kubernetes set agent.cgroupPath=${mount.mountPoint} in the chart.`,
  }
}
