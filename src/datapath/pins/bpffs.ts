import { statfsSync } from 'node:fs'
import { mountFileSystem } from 'libbpf'

/** BPF_FS_MAGIC of linux/magic.h. */
const BPFFS_MAGIC = 0xcafe4a11

/** Mounts bpffs at the directory unless one is mounted there. Returns whether it mounted. Needs CAP_SYS_ADMIN. */
export function mountBpffs(directory: string): boolean {
  if (statfsSync(directory).type === BPFFS_MAGIC) return false
  mountFileSystem('bpf', directory)
  return true
}
