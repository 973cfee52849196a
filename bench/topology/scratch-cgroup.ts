import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MeshaccelError } from '../../src/lib/errors.ts'
import { cgroup2Mount, type Mount, readMounts } from '../../src/lib/mountinfo.ts'
import { blockUntil } from '../measure/polling.ts'
import type { UndoStack } from '../system/undo-stack.ts'

/** The run's own cgroup v2 directories. */
export interface ScratchCgroup {
  readonly path: string
  /** Stands for this node: an accelerator watches only this directory. */
  readonly node: string
  /** Stands for another node. */
  readonly elsewhere: string
}

export function createScratchCgroup(stack: UndoStack, runName: string): ScratchCgroup {
  const path = join(cgroup2Root(), runName)
  const cgroup = { path, node: join(path, 'node'), elsewhere: join(path, 'elsewhere') }
  for (const directory of [cgroup.path, cgroup.node, cgroup.elsewhere]) {
    stack.defer(`remove cgroup ${directory}`, () => remove(directory))
    mkdirSync(directory)
  }
  return cgroup
}

/** The CPU time of all processes of the run, including ended ones. The kernel adds it up per cgroup. */
export function cpuUsec(cgroup: ScratchCgroup): number {
  return parseCpuUsec(readFileSync(join(cgroup.path, 'cpu.stat'), 'utf8'))
}

export function parseCpuUsec(cpuStat: string): number {
  const usec = /^usage_usec (\d+)$/m.exec(cpuStat)?.[1]
  if (usec === undefined) throw new Error('cpu.stat has no usage_usec')
  return Number(usec)
}

/** Where cgroup v2 is mounted; on a hybrid host not at /sys/fs/cgroup. Throws NO_CGROUP2. */
export function cgroup2Root(mounts: readonly Mount[] = readMounts()): string {
  const found = cgroup2Mount(mounts)
  if (found) return found.mountPoint
  throw new MeshaccelError('cgroup v2 is not mounted', {
    code: 'NO_CGROUP2',
    operation: 'create a cgroup for the run',
    hint: 'Mount it: mount -t cgroup2 none /sys/fs/cgroup/unified',
  })
}

function remove(directory: string): void {
  if (!existsSync(directory)) return
  // Short commands of the run may still be ending.
  const kill = join(directory, 'cgroup.kill')
  if (existsSync(kill)) writeFileSync(kill, '1')
  let failure: unknown
  const removed = blockUntil(() => {
    try {
      rmdirSync(directory)
      return true
    } catch (error) {
      failure = error
      return false
    }
  }, 3_000)
  if (!removed) throw failure
}
