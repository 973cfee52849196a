/** Mounts, as /proc/PID/mountinfo lists them: see proc(5). */

import { readFileSync } from 'node:fs'

export interface Mount {
  /** The directory of the file system that this mount shows. */
  readonly root: string
  readonly mountPoint: string
  /** Options of this mount only: `ro`, `nosuid`. */
  readonly options: readonly string[]
  /** Whether mounts below it propagate to other mount namespaces. */
  readonly shared: boolean
  readonly type: string
  readonly source: string
  /** Options of the file system, for all its mounts. */
  readonly superOptions: readonly string[]
}

/** Parses the mounts, in mount order. Skips lines that are not mounts. */
export function parseMountinfo(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    // ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS OPTIONAL... - TYPE SOURCE SUPER-OPTIONS
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root, mountPoint, options = '', ...optional] = before.split(' ')
    const [type, source = '', superOptions = ''] = after.split(' ')
    if (root === undefined || !mountPoint || !type) return []
    return [
      {
        root: unescape(root),
        mountPoint: unescape(mountPoint),
        options: options.split(','),
        shared: optional.some((field) => field.startsWith('shared:')),
        type,
        source: unescape(source),
        superOptions: superOptions.split(','),
      },
    ]
  })
}

/** The mounts that this process sees now. */
export function readMounts(): Mount[] {
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** The mount that an absolute path without links lies on. The last one hides those before at the same place. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let found: Mount | undefined
  for (const mount of mounts) {
    if (!isBelow(path, mount.mountPoint)) continue
    if (!found || mount.mountPoint.length >= found.mountPoint.length) found = mount
  }
  return found
}

/**
 * The mount of the cgroup v2 hierarchy. A mount of the whole hierarchy is preferred, because a part may not contain
 * every pod.
 */
export function cgroup2Mount(mounts: readonly Mount[]): Mount | undefined {
  const all = mounts.filter(({ type }) => type === 'cgroup2')
  return all.find(({ root }) => root === '/') ?? all[0]
}

/** Whether this mount or its file system is read-only. */
export function isReadOnly({ options, superOptions }: Mount): boolean {
  return options.includes('ro') || superOptions.includes('ro')
}

const isBelow = (path: string, directory: string): boolean =>
  directory === '/' || path === directory || path.startsWith(`${directory}/`)

/** Decodes blanks and backslashes, which the kernel writes as three octal digits. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
