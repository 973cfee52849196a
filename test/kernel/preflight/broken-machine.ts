/** Runs a program in a mount namespace of its own in which something is broken. The machine outside stays unchanged. */
import { spawnSync } from 'node:child_process'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'
import { packageRoot } from '../../../src/lib/package.ts'
import type { Finding, Place } from '../../../src/preflight/finding.ts'
import { bundleProgram } from '../../helpers/bundle-program.ts'
import { patience } from '../../helpers/retry.ts'

/** Shell that breaks something; `$CGROUP` is where cgroup v2 is mounted. */
export const breakings = {
  noBpffs: 'while umount -l /sys/fs/bpf 2>/dev/null; do :; done',
  // A read-only bind mount: a remount would change the file system for all.
  readOnlyBpffs: 'mount -t bpf bpf /sys/fs/bpf && mount -o remount,bind,ro /sys/fs/bpf',
  otherAtBpffs: 'mount -t tmpfs tmpfs /sys/fs/bpf',
  noCgroup2: 'umount -l "$CGROUP"',
  noCgroups: 'umount -l /sys/fs/cgroup',
  readOnlyCgroup2: 'mount -o remount,bind,ro "$CGROUP"',
  noBtf: 'mount -t tmpfs tmpfs /sys/kernel/btf',
  noLibbpf:
    'library=$(ldconfig -p | sed -n "s/.*libbpf.so.1 .*=> //p" | head -n 1); mount --bind /dev/null "$(realpath "$library")"',
  readOnlyRun: 'mount -t tmpfs -o ro tmpfs /run',
  lockdown:
    'mount -t tmpfs tmpfs /sys/kernel/security && echo "none integrity [confidentiality]" >/sys/kernel/security/lockdown',
  release: (name: string): string =>
    `mount -t tmpfs tmpfs /mnt && echo ${name} >/mnt/release && mount --bind /mnt/release /proc/sys/kernel/osrelease`,
} as const

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Surroundings {
  /** Shell that is run first. */
  readonly broken?: string
  /** A command that starts the command. */
  readonly through?: readonly string[]
  /** Options of unshare besides -m. */
  readonly unshare?: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
}

export function runBroken(
  command: readonly string[],
  { broken = ':', through = [], unshare = [], environment = {} }: Surroundings,
): Ran {
  const script = `set -e; ${broken}; exec "$@"`
  const shell = ['sh', '-c', script, 'sh', ...through, ...command]
  const ran = spawnSync('unshare', ['-m', '--propagation=private', ...unshare, '--', ...shell], {
    encoding: 'utf8',
    cwd: packageRoot,
    // Does not use tap's own hooks: they need files that may be gone.
    env: { ...process.env, NODE_OPTIONS: '', CGROUP: findCgroup2(), ...environment },
    timeout: 60_000 * patience,
    killSignal: 'SIGKILL',
  })
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr }
}

interface Examined {
  readonly before: readonly Finding[]
  readonly after?: readonly Finding[]
  readonly undone?: readonly Finding[]
}

/** Whether to mount the missing file systems, and to unmount them at the end. */
const program = bundleProgram(
  'examine',
  `
import { mountMissing } from './src/preflight/mount-missing.ts'
import { examine } from './src/preflight/preflight.ts'
const [place, mount] = process.argv.slice(2)
const asked = JSON.parse(place)
const before = examine(asked)
if (mount === undefined) console.log(JSON.stringify({ before }))
else {
  const { undo } = mountMissing(before)
  const after = examine(asked)
  undo()
  console.log(JSON.stringify({ before, after, undone: examine(asked) }))
}`,
)

const examineCommand = (
  place: Place,
  { mount = false, preload }: { readonly mount?: boolean; readonly preload?: string },
): string[] => [
  process.execPath,
  ...(preload === undefined ? [] : [`--import=${preload}`]),
  program,
  JSON.stringify(place),
  ...(mount ? ['mount'] : []),
]

/** Runs the preflight on the broken machine. */
export function examineBroken(
  place: Place,
  surroundings: Surroundings,
  options: Parameters<typeof examineCommand>[1] = {},
): Examined {
  const { stdout, stderr } = runBroken(examineCommand(place, options), surroundings)
  try {
    const examined: Examined = JSON.parse(stdout)
    return examined
  } catch {
    throw new Error(`no answer: ${stdout}${stderr}`)
  }
}
