import { statfsSync } from 'node:fs'
import { mountFileSystem } from 'libbpf'

/** BPF_FS_MAGIC of linux/magic.h. */
const BPFFS_MAGIC = 0xcafe4a11

/** Throws what `statfs` throws, as for a path that is not there. */
export const isBpffs = (directory: string): boolean => statfsSync(directory).type === BPFFS_MAGIC

/** Mounts bpffs at the directory unless it is one. Returns whether it did. Needs CAP_SYS_ADMIN. */
export function mountBpffs(directory: string): boolean {
  if (isBpffs(directory)) return false
  mountFileSystem('bpf', directory)
  return true
}
