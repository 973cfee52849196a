import { readdirSync } from 'node:fs'
import { MeshaccelError } from '../lib/errors.ts'
import { makeDirectory } from '../lib/make-directory.ts'
import { mountFileSystem, unmountFileSystem } from 'libbpf'
import type { Finding, MissingMount } from './finding.ts'

/** The kernel creates these in every bpffs (CONFIG_BPF_PRELOAD). */
const kernelsOwn = ['maps.debug', 'progs.debug']

/** Whether another process uses the mount by now. Pins end with the last mount of their bpffs. */
function isUsed(type: MissingMount['type'], at: string): boolean {
  const names = readdirSync(at)
  return type === 'bpf'
    ? names.some((name) => !kernelsOwn.includes(name))
    : names.some((name) => name.startsWith('meshbench-'))
}

export interface Mounted {
  /** The mounts that this call made. */
  readonly mounts: readonly MissingMount[]
  /** Unmounts them, except those that are in use by now. */
  readonly undo: () => void
}

/** Mounts what is missing and can be mounted from here. Throws NOT_ON_THIS_MACHINE if the kernel refuses. */
export function mountMissing(findings: readonly Finding[]): Mounted {
  const mounted: MissingMount[] = []
  const undo = (): void => {
    for (const { type, at } of mounted.splice(0).toReversed()) {
      if (!isUsed(type, at)) unmountFileSystem(at)
    }
  }
  for (const { mounts, found, mend } of findings) {
    if (!mounts) continue
    try {
      if (mounts.type === 'cgroup2') makeDirectory(mounts.at, 0o755)
      mountFileSystem(mounts.type, mounts.at)
      mounted.push(mounts)
    } catch (cause) {
      undo()
      throw new MeshaccelError(`${found}, and it cannot be mounted: ${String(cause)}`, {
        code: 'NOT_ON_THIS_MACHINE',
        operation: 'check this machine',
        hint: `Fix it: ${mend}`,
        cause,
      })
    }
  }
  return { mounts: mounted, undo }
}
