import { readFileSync } from 'node:fs'
import { MeshaccelError } from '../errors.ts'

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
