import { realpathSync } from 'node:fs'
import { readMounts } from '../src/lib/mountinfo.ts'

/**
 * Where a directory that is a mount of its own, as in a container, now lies in its file system. It changes when the
 * host renames or removes the directory: then the mount no longer shows what the host has under that name. Undefined
 * for a directory that is no mount.
 */
export function mountRootOf(directory: string): string | undefined {
  const path = realpathSync(directory)
  return readMounts().findLast(({ mountPoint }) => mountPoint === path)?.root
}
