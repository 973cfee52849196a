import { readFileSync, statfsSync } from 'node:fs'
import { errnoOf, messageOf } from '../errno.ts'
import { MeshaccelError } from '../errors.ts'

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const cgroup2Magic = 0x63677270

/** The cgroup v2 directory to watch: the named one, else the root. Throws NO_CGROUP2 when it is not one. */
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
 * The mount point of the cgroup v2 hierarchy, from /proc/self/mountinfo.
 * Throws NO_CGROUP2 when there is none. On a hybrid machine it is not /sys/fs/cgroup itself.
 */
export function findCgroup2(
  mountinfo: string = readFileSync('/proc/self/mountinfo', 'utf8'),
): string {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    // proc(5): ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS OPTIONAL... - TYPE SOURCE SUPER-OPTIONS
    const [before, after] = line.split(' - ')
    const fields = before?.split(' ') ?? []
    const root = fields[3]
    const mountPoint = fields[4]
    if (after?.split(' ')[0] !== 'cgroup2' || root === undefined || !mountPoint) return []
    return [{ root: unescape(root), mountPoint: unescape(mountPoint) }]
  })
  // A bind mount of a part of the hierarchy does not see every pod.
  const whole = mounts.find(({ root }) => root === '/') ?? mounts[0]
  if (whole) return whole.mountPoint
  throw new MeshaccelError('no cgroup v2 hierarchy is mounted', {
    code: 'NO_CGROUP2',
    operation: 'find the cgroup v2 root',
    hint: 'Mount one (`mount -t cgroup2 none /sys/fs/cgroup/unified`), or name it with --cgroup.',
  })
}

/** mountinfo writes blanks and backslashes as three octal digits. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
