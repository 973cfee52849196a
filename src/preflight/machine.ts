/** The machine as the checks read it. Every answer takes microseconds; nothing here waits. */
import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type BtfChoice, chooseBtf } from '../lib/btf-choice.ts'
import { errnoOf, messageOf } from '../lib/errno.ts'
import { isExplained } from '../lib/errors.ts'
import { type CgroupPrograms, cgroupPrograms, kernelBtf, probeBpf, probeIpv6 } from 'libbpf'
import { type Mount, parseMountinfo } from '../lib/mountinfo.ts'

export interface Machine {
  readonly mounts: readonly Mount[]
  readonly nodeVersion: string
  readonly pid: number
  readonly exists: (path: string) => boolean
  /** The text of a file; undefined if it is unreadable. */
  readonly read: (path: string) => string | undefined
  /** The target of a symbolic link. For a namespace: `mnt:[4026531841]`. */
  readonly link: (path: string) => string | undefined
  /** The path with links resolved. Its last parts may not exist. */
  readonly realPath: (path: string) => string
  /** Whether the file system of the path, or of its first existing parent, is read-only. */
  readonly isReadOnly: (path: string) => boolean
  readonly hasCommand: (name: string) => boolean
  /** Whether this variant of iptables-restore accepts a rule of the nat table. */
  readonly iptablesWork: (variant: 'nft' | 'legacy') => boolean
  /** The errno name of a minimal bpf(2) call, or NO_LIBRARY; undefined if it works. */
  readonly bpfErrno: () => string | undefined
  /** The file from which the kernel's types are taken; `given` is a file or folder that the user named. */
  readonly btf: (given?: string) => BtfChoice
  /** Whether the kernel has its types in memory; the errno name if it does not tell. */
  readonly kernelBtf: () => boolean | string
  readonly hasIpv6: () => boolean
  /** The sockops programs that are attached to a cgroup directory; undefined if the query is not permitted. */
  readonly sockops: (directory: string) => CgroupPrograms | undefined
}

/** The machine of this process. */
export function thisMachine(): Machine {
  return {
    mounts: parseMountinfo(read('/proc/self/mountinfo') ?? ''),
    nodeVersion: process.versions.node,
    pid: process.pid,
    exists: existsSync,
    read,
    link: (path) => attempt(() => readlinkSync(path)),
    realPath,
    isReadOnly,
    hasCommand,
    iptablesWork: (variant) =>
      spawnSync(`iptables-${variant}-restore`, ['--test'], { input: '*nat\nCOMMIT\n' }).status ===
      0,
    bpfErrno: () => probeBpf(),
    btf: (given) => chooseBtf(given),
    kernelBtf: hasHiddenBtf,
    hasIpv6: () => probeIpv6(),
    sockops: (directory) => attempt(() => cgroupPrograms(directory)),
  }
}

function attempt<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch {
    return undefined
  }
}

const read = (path: string): string | undefined => attempt(() => readFileSync(path, 'utf8'))

function realPath(path: string): string {
  const found = attempt(() => realpathSync(path))
  if (found !== undefined || dirname(path) === path) return found ?? path
  return join(realPath(dirname(path)), basename(path))
}

function isReadOnly(path: string): boolean {
  if (!existsSync(path) && dirname(path) !== path) return isReadOnly(dirname(path))
  try {
    accessSync(path, constants.W_OK)
    return false
  } catch (error) {
    return errnoOf(error) === 'EROFS'
  }
}

function hasHiddenBtf(): boolean | string {
  try {
    return kernelBtf() !== undefined
  } catch (error) {
    return isExplained(error) ? error.code : messageOf(error)
  }
}

const hasCommand = (name: string): boolean =>
  (process.env['PATH'] ?? '').split(':').some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
