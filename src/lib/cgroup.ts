import { existsSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, messageOf } from './errno.ts'
import { MeshaccelError } from './errors.ts'
import { cgroup2Mount, type Mount, readMounts } from './mountinfo.ts'

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const cgroup2Magic = 0x63677270

/**
 * The cgroup v2 directory to watch: `path`, or the root if `path` is undefined. Throws NO_CGROUP2 if it is not on
 * cgroup v2.
 */
export function cgroup2Directory(path: string | undefined): string {
  if (path === undefined) return findCgroup2()
  const operation = `use cgroup ${path}`
  const hint = 'Name a directory of the cgroup v2 hierarchy, or leave --cgroup out.'
  let type
  try {
    type = statfsSync(path).type
  } catch (error) {
    throw new MeshaccelError(errnoOf(error) === 'ENOENT' ? 'there is none' : messageOf(error), {
      code: 'NO_CGROUP2',
      operation,
      hint,
      cause: error,
    })
  }
  if (type === cgroup2Magic) return path
  throw new MeshaccelError('it is not on a cgroup v2 file system', {
    code: 'NO_CGROUP2',
    operation,
    hint,
  })
}

/**
 * The mount point of the cgroup v2 hierarchy, from /proc/self/mountinfo. On a hybrid machine this is not
 * /sys/fs/cgroup. Throws NO_CGROUP2 if there is none.
 */
export function findCgroup2(mounts: readonly Mount[] = readMounts()): string {
  const found = cgroup2Mount(mounts)
  if (found) return found.mountPoint
  throw new MeshaccelError('no cgroup v2 hierarchy is mounted', {
    code: 'NO_CGROUP2',
    operation: 'find the cgroup v2 root',
    hint: 'Mount one (`mount -t cgroup2 none /sys/fs/cgroup/unified`), or name it with --cgroup.',
  })
}

/** Whether a cgroup v2 directory is the root of the hierarchy: nothing is outside of it. */
export function isHierarchyRoot(
  directory: string,
  exists: (path: string) => boolean = existsSync,
): boolean {
  // Every cgroup has this file, apart from the root.
  return !exists(join(directory, 'cgroup.events'))
}
