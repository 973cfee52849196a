/** Whether a pod's processes run where our programs are attached: in a cgroup below the watched one. */
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { relative } from 'node:path'
import { isHierarchyRoot } from '../lib/cgroup.ts'
import { mountOf, readMounts } from '../lib/mountinfo.ts'
import { processIds } from '../lib/proc.ts'
import type { NetnsRef } from '../pods/observed-pod.ts'

/** A cgroup as this process sees it: `up` levels above its own root, then down by `names`. */
export interface CgroupPlace {
  readonly up: number
  readonly names: readonly string[]
}

/**
 * Parses a path such as `/../../kubepods/pod1`: /proc/PID/cgroup writes cgroups outside the reader's cgroup namespace
 * like this.
 */
export function parsePlace(path: string): CgroupPlace {
  const parts = path.split('/').filter((part) => part !== '')
  const up = parts.findIndex((part) => part !== '..')
  return up < 0 ? { up: parts.length, names: [] } : { up, names: parts.slice(up) }
}

/** Whether `inner` is `outer` or below it; undefined if that is unknown from here. */
export function holds(outer: CgroupPlace, inner: CgroupPlace): boolean | undefined {
  if (inner.up > outer.up) return false
  if (outer.names.length === 0) return true
  // This process cannot see the names between the two roots.
  if (inner.up < outer.up) return undefined
  return outer.names.every((name, index) => inner.names[index] === name)
}

export type Membership = 'inside' | 'outside' | 'unknown'

/** The pause between two passes over all processes: each process takes some microseconds. */
const LOOK_EVERY_MS = 1_000

export class WatchedCgroup {
  /** Whether it is the root of the hierarchy, which contains all processes. */
  readonly seesAll: boolean
  readonly #place: CgroupPlace
  readonly #lookEveryMs: number
  /** Namespaces with a process inside the cgroup, by inode number. */
  #inside: ReadonlySet<number> = new Set()
  /** Namespaces with all processes outside, at each of the last two passes. */
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

  /** `unknown` if the namespace has no process, or cannot be read. */
  membership(ref: NetnsRef): Membership {
    if (this.seesAll) return 'inside'
    const inode = inodeOf('path' in ref ? ref.path : `/proc/${ref.pid}/ns/net`)
    if (inode === undefined) return 'unknown'
    if (!this.#inside.has(inode)) this.#look()
    if (this.#inside.has(inode)) return 'inside'
    // Requires two passes: a short-lived process, such as a CNI plugin, is gone by the second.
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
