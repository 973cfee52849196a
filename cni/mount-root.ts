import { realpathSync } from 'node:fs'
import { readMounts } from '../src/lib/mountinfo.ts'

/**
 * The path of a mounted directory within its file system; undefined if the directory is not a mount. A container mounts
 * the host's directory. The path changes when the host renames or removes the directory. Then the mount no longer shows
 * the host's directory of that name.
 */
export function mountRootOf(directory: string): string | undefined {
  const path = realpathSync(directory)
  return readMounts().findLast(({ mountPoint }) => mountPoint === path)?.root
}
