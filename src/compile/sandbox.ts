/**
 * Runs one program on data that nobody trusts, in namespaces that bubblewrap makes. The program has no network, sees no
 * other processes, and has no files apart from its view and its input. It holds no privileges, and limits bound what it
 * takes. Its processes end with it, and with this process.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { dirname } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { MeshaccelError } from '../lib/errors.ts'
import type { Toolchain, View } from './toolchain.ts'

export interface Limits {
  readonly cpuSeconds: number
  readonly wallMs: number
  /** The memory that one process may write to. */
  readonly memoryBytes: number
  readonly processes: number
  /** The size of /tmp, and of each file in it. */
  readonly diskBytes: number
  readonly stdoutBytes: number
  readonly stderrBytes: number
}

export interface Run {
  readonly view: View
  readonly command: readonly string[]
  /** The input: absolute paths, and their content. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

export interface Ended {
  /** Whether the program returned 0. */
  readonly ok: boolean
  readonly stdout: Buffer
  readonly stderr: string
  /** The limit that ended it, in words. */
  readonly limit?: string
}

export const defaultLimits: Limits = {
  cpuSeconds: 20,
  wallMs: 120_000,
  memoryBytes: 1 << 30,
  processes: 4,
  diskBytes: 64 << 20,
  stdoutBytes: 16 << 20,
  stderrBytes: 64 << 10,
}

/** No user of a machine and no container has these ids. Each server and each of its slots takes one of its own. */
const firstUid = 0x7000_0000
const slotsPerServer = 16

export class Sandbox {
  readonly #toolchain: Pick<Toolchain, 'bwrap'>
  readonly #asRoot: boolean
  readonly #running = new Set<ChildProcess>()

  constructor(toolchain: Pick<Toolchain, 'bwrap'>, asRoot: boolean = process.geteuid?.() === 0) {
    this.#toolchain = toolchain
    this.#asRoot = asRoot
  }

  /** Throws NO_SANDBOX if bubblewrap could not start the program. */
  run(run: Run, limits: Limits, slot: number): Promise<Ended> {
    const contents = [...run.files.values()]
    // 3 is for bubblewrap's own report.
    const stdio = [
      'ignore',
      'pipe',
      'pipe',
      'pipe',
      ...contents.map(() => 'pipe' as const),
    ] as const
    const child = spawn(this.#toolchain.bwrap, this.#args(run, limits, slot), {
      stdio: [...stdio],
      env: {},
    })
    this.#running.add(child)
    return new Promise((resolve, reject) => {
      let limit: string | undefined
      const end = (reason: string): void => {
        limit ??= reason
        child.kill('SIGKILL')
      }
      const timer = setTimeout(() => end(`${limits.wallMs / 1000} s`), limits.wallMs)
      const stdout = collect(child.stdout, limits.stdoutBytes, () => end('too much output'))
      const stderr = collect(child.stderr, limits.stderrBytes, () => end('too many diagnostics'))
      const report = collect(readable(child, 3), 4096, () => {})
      contents.forEach((content, index) => {
        const pipe = writable(child, 4 + index)
        // The sandbox may end before it has read its input.
        pipe.on('error', () => {})
        pipe.end(content)
      })
      const settle = (done: () => void): void => {
        clearTimeout(timer)
        this.#running.delete(child)
        done()
      }
      child.on('error', (error) => settle(() => reject(notStarted(error.message))))
      child.on('close', () => {
        const code = exitCode(Buffer.concat(report).toString())
        const said = Buffer.concat(stderr).toString()
        settle(() => {
          if (code === undefined && limit === undefined) return reject(notStarted(said))
          const reason = limit ?? limitOf(code ?? 0, limits)
          resolve({
            ok: code === 0 && reason === undefined,
            stdout: Buffer.concat(stdout),
            stderr: said,
            ...(reason !== undefined && { limit: reason }),
          })
        })
      })
    })
  }

  /** Ends all runs. */
  killAll(): void {
    for (const child of this.#running) child.kill('SIGKILL')
  }

  #args({ view, command, files }: Run, limits: Limits, slot: number): string[] {
    const inside = [...view.files.keys(), ...view.links.keys(), ...files.keys()]
    const namespaces = this.#asRoot
      ? ['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try']
      : ['--unshare-user', '--unshare-all', '--disable-userns', '--cap-drop', 'ALL']
    return [
      ...namespaces,
      '--die-with-parent',
      '--clearenv',
      '--new-session',
      '--json-status-fd',
      '3',
      // bubblewrap would make the parents of files for root alone.
      ...parents(inside).flatMap((directory) => ['--dir', directory]),
      ...[...view.files].flatMap(([path, from]) => ['--ro-bind', from, path]),
      ...[...view.links].flatMap(([path, to]) => ['--symlink', to, path]),
      ...[...files.keys()].flatMap((path, index) => [
        '--perms',
        '0444',
        '--ro-bind-data',
        String(4 + index),
        path,
      ]),
      '--perms',
      '1777',
      '--size',
      String(limits.diskBytes),
      '--tmpfs',
      '/tmp',
      '--remount-ro',
      '/',
      '--chdir',
      dirname(files.keys().next().value ?? '/x'),
      ...Object.entries({ PATH: '/usr/bin', LC_ALL: 'C' }).flatMap(([name, value]) => [
        '--setenv',
        name,
        value,
      ]),
      '--',
      '/usr/bin/prlimit',
      `--cpu=${limits.cpuSeconds}`,
      `--data=${limits.memoryBytes}`,
      `--nproc=${limits.processes}`,
      `--fsize=${limits.diskBytes}`,
      '--nofile=128',
      '--core=0',
      '--memlock=0',
      '--msgqueue=0',
      '--sigpending=128',
      ...(this.#asRoot ? asNobody(slot) : []),
      ...command,
    ]
  }
}

/** The user and group of a slot, if the server is root. */
export const uidOf = (slot: number): number =>
  firstUid + process.pid * slotsPerServer + (slot % slotsPerServer)

function asNobody(slot: number): string[] {
  const id = uidOf(slot)
  return [
    '/usr/bin/setpriv',
    `--reuid=${id}`,
    `--regid=${id}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--no-new-privs',
  ]
}

/** All directories above these paths, each after its parent. */
function parents(paths: readonly string[]): string[] {
  const found = new Set<string>()
  for (const path of paths) {
    for (let at = dirname(path); at !== '/'; at = dirname(at)) found.add(at)
  }
  return [...found].toSorted()
}

/** Collects what a stream says, up to a limit. */
function collect(stream: Readable | null, limit: number, onOver: () => void): Buffer[] {
  const chunks: Buffer[] = []
  let room = limit
  stream?.on('data', (chunk: Buffer) => {
    if (room > 0) chunks.push(chunk.subarray(0, room))
    room -= chunk.length
    if (room < 0) onOver()
  })
  stream?.on('error', () => {})
  return chunks
}

function readable(child: ChildProcess, at: number): Readable {
  const stream = child.stdio[at]
  if (!stream || !('read' in stream)) throw new Error(`descriptor ${at} is no pipe`)
  return stream
}

function writable(child: ChildProcess, at: number): Writable {
  const stream = child.stdio[at]
  if (!stream || !('write' in stream)) throw new Error(`descriptor ${at} is no pipe`)
  return stream
}

/** From bubblewrap's report: the exit code of the program, if it was started. */
function exitCode(report: string): number | undefined {
  const found = /"exit-code": (\d+)/.exec(report)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** bubblewrap returns 128 plus the number of the signal that ended the program. */
function limitOf(code: number, limits: Limits): string | undefined {
  const { SIGXCPU, SIGKILL, SIGXFSZ, SIGABRT, SIGSEGV, SIGBUS } = constants.signals
  switch (code - 128) {
    case SIGXCPU:
    case SIGKILL:
      return `${limits.cpuSeconds} s of processor time`
    case SIGXFSZ:
    case SIGBUS:
      return `${limits.diskBytes >> 20} MiB of output`
    case SIGABRT:
    case SIGSEGV:
      return `a crash of the program, which may use ${limits.memoryBytes >> 20} MiB of memory`
    default:
      return undefined
  }
}

function notStarted(said: string): MeshaccelError {
  return new MeshaccelError(said.trim() || 'bubblewrap said nothing', {
    code: 'NO_SANDBOX',
    operation: 'start a sandbox',
    hint:
      'The service needs root with CAP_SYS_ADMIN, or user namespaces for its user: `sysctl user.max_user_namespaces`, ' +
      'on Ubuntu also `sysctl kernel.apparmor_restrict_unprivileged_userns`.',
  })
}
