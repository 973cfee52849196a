/** Whether a pod's processes run where our programs are attached: in a cgroup below the watched one. */
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { relative } from 'node:path'
import { isHierarchyRoot } from '../lib/cgroup.ts'
import { mountOf, readMounts } from '../lib/mountinfo.ts'
import { processIds } from '../lib/proc.ts'
import type { NetnsRef } from '../pods/observed-pod.ts'

/** A place in the hierarchy as this process sees it: so many levels above its own root, then down by these names. */
export interface CgroupPlace {
  readonly up: number
  readonly names: readonly string[]
}

/** `/../../kubepods/pod1`, as /proc/PID/cgroup writes what lies outside of the reader's cgroup namespace. */
export function parsePlace(path: string): CgroupPlace {
  const parts = path.split('/').filter((part) => part !== '')
  const up = parts.findIndex((part) => part !== '..')
  return up < 0 ? { up: parts.length, names: [] } : { up, names: parts.slice(up) }
}

/** Whether the inner place is the outer one, or below it; undefined where that cannot be told from here. */
export function holds(outer: CgroupPlace, inner: CgroupPlace): boolean | undefined {
  if (inner.up > outer.up) return false
  if (outer.names.length === 0) return true
  // The names between the two roots are unknown in here.
  if (inner.up < outer.up) return undefined
  return outer.names.every((name, index) => inner.names[index] === name)
}

export type Membership = 'inside' | 'outside' | 'unknown'

/** A look at all processes takes some microseconds each. */
const LOOK_EVERY_MS = 1_000

export class WatchedCgroup {
  /** The root of the hierarchy: nothing is outside of it. */
  readonly seesAll: boolean
  readonly #place: CgroupPlace
  readonly #lookEveryMs: number
  /** Namespaces, by inode number, with a process inside. */
  #inside: ReadonlySet<number> = new Set()
  /** Those whose processes were all outside at the last look, and at the one before. */
  #outside: ReadonlySet<number> = new Set()
  #outsideBefore: ReadonlySet<number> = new Set()
  #lookedAt = -Infinity

  constructor(
    cgroupPath: string,
    { lookEveryMs = LOOK_EVERY_MS }: { readonly lookEveryMs?: number } = {},
  ) {
    this.seesAll = isHierarchyRoot(cgroupPath)
    this.#place = placeOf(cgroupPath)
    this.#lookEveryMs = lookEveryMs
  }

  /** Unknown without a process, or while nobody can tell. */
  membership(ref: NetnsRef): Membership {
    if (this.seesAll) return 'inside'
    const inode = inodeOf('path' in ref ? ref.path : `/proc/${ref.pid}/ns/net`)
    if (inode === undefined) return 'unknown'
    if (!this.#inside.has(inode)) this.#look()
    if (this.#inside.has(inode)) return 'inside'
    // A process that passes through, such as a CNI plugin, is gone by the next look.
    return this.#outside.has(inode) && this.#outsideBefore.has(inode) ? 'outside' : 'unknown'
  }

  #look(): void {
    const now = performance.now()
    if (now - this.#lookedAt < this.#lookEveryMs) return
    this.#lookedAt = now
    const inside = new Set<number>()
    const outside = new Set<number>()
    for (const pid of processIds()) {
      const inode = inodeOf(`/proc/${pid}/ns/net`)
      if (inode === undefined || inside.has(inode)) continue
      const place = cgroupOf(`/proc/${pid}/cgroup`)
      if (!place) continue
      if (holds(this.#place, place) === false) outside.add(inode)
      else inside.add(inode)
    }
    this.#inside = inside
    this.#outsideBefore = this.#outside
    this.#outside = outside
  }
}

function placeOf(cgroupPath: string): CgroupPlace {
  const path = realpathSync(cgroupPath)
  const mount = mountOf(readMounts(), path)
  return parsePlace(`${mount?.root ?? ''}/${relative(mount?.mountPoint ?? '/', path)}`)
}

function cgroupOf(file: string): CgroupPlace | undefined {
  try {
    const path = /^0::(\/.*)$/m.exec(readFileSync(file, 'utf8'))?.[1]
    return path === undefined ? undefined : parsePlace(path)
  } catch {
    // The process has just ended.
    return undefined
  }
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino
  } catch {
    return undefined
  }
}
