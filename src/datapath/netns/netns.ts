import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { errnoOf } from '../../lib/errno.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import { oldestKernel } from '../../lib/oldest-kernel.ts'
import { parseProcessStat } from '../../lib/proc.ts'
import { currentNetnsCookie, withNetns } from 'libbpf'
import type { NetnsRef } from '../../pods/observed-pod.ts'

/** The system calls that query a network namespace. They throw errors with an errno name as `code`. */
export interface NetnsCalls {
  /**
   * Runs `fn` synchronously with the calling thread inside the namespace. Ends the process if the thread cannot return.
   */
  readonly withNetns: <T>(path: string, fn: () => T) => T
  /** SO_NETNS_COOKIE of the calling thread's namespace. */
  readonly currentNetnsCookie: () => bigint
}

export interface ResolvedNetns {
  readonly netnsCookie: bigint
  /** A path that opens the namespace while the namespace exists. */
  readonly netnsPath: string
  /** The addresses in the namespace, without loopback and link-local ones. Empty if they were not requested. */
  readonly ips: readonly string[]
}

/**
 * Enters the namespace, queries it and returns, all synchronously. So nothing else of this process ever runs inside.
 *
 * Throws a MeshaccelError with the code NETNS_GONE, NOT_A_NETNS, PID_GONE, FOREIGN_USER_NAMESPACE, NETNS_FORBIDDEN,
 * HOST_NETWORK (it is the caller's own) or NETNS_COOKIE_UNSUPPORTED.
 */
export function resolveNetns(
  ref: NetnsRef,
  {
    wantsIps = true,
    calls = { withNetns, currentNetnsCookie },
  }: { readonly wantsIps?: boolean; readonly calls?: NetnsCalls } = {},
): ResolvedNetns {
  const subject = 'pid' in ref ? `pid ${ref.pid}` : ref.path
  const netnsPath = 'pid' in ref ? `/proc/${ref.pid}/ns/net` : ref.path
  requireFile(netnsPath, subject, ref)
  if ('pid' in ref) refuseForeignUser(ref.pid, subject)

  const ownCookie = cookie(calls)
  const found = enter(calls, netnsPath, subject, () => ({
    netnsCookie: cookie(calls),
    ips: wantsIps ? addresses() : [],
  }))
  if (found.netnsCookie === ownCookie) {
    throw new MeshaccelError("it is the host's own", {
      code: 'HOST_NETWORK',
      operation: `resolve network namespace of ${subject}`,
      hint: 'Pods with hostNetwork are never accelerated.',
    })
  }
  return { ...found, netnsPath }
}

/**
 * A text that identifies the namespace behind a reference, without entering it. The kernel reuses a path's inode number
 * for another namespace, but not with the same change time. For a process the text includes its start time.
 *
 * Throws like `resolveNetns` if the namespace is gone.
 */
export function identifyNetns(ref: NetnsRef): string {
  try {
    if ('path' in ref) {
      const { dev, ino, ctimeNs } = statSync(ref.path, { bigint: true })
      return `${dev}:${ino}:${ctimeNs}`
    }
    const startedAt = parseProcessStat(
      readFileSync(`/proc/${ref.pid}/stat`, 'utf8'),
    )?.startedAtTicks
    return `${readlinkSync(`/proc/${ref.pid}/ns/net`)}:${startedAt}`
  } catch (error) {
    const subject = 'pid' in ref ? `pid ${ref.pid}` : ref.path
    throw cannotOpen(`look at network namespace of ${subject}`, ref, error)
  }
}

/** The TCP sockets of a network namespace, over IPv4 and IPv6. */
export interface TcpSockets {
  /** Sockets that are established now. */
  readonly established: number
  /** Sockets that have been opened by connect() or accept() since the namespace began. */
  readonly opened: number
}

/** Reads the namespace's counters, and does not walk over sockets. */
export function countTcpSockets(path: string): TcpSockets {
  return parseTcpCounters(withNetns(path, () => readFileSync('/proc/thread-self/net/snmp', 'utf8')))
}

/** Parses /proc/net/snmp. Pure. */
export function parseTcpCounters(snmp: string): TcpSockets {
  // There are two lines: names and values. The counters include IPv6.
  const [names = [], values = []] = [...snmp.matchAll(/^Tcp: (.*)$/gm)].map(([, fields = '']) =>
    fields.split(' '),
  )
  const counter = (name: string): number => Number(values[names.indexOf(name)] ?? 0)
  return {
    established: counter('CurrEstab'),
    opened: counter('ActiveOpens') + counter('PassiveOpens'),
  }
}

/** Opening anything else could do harm: a FIFO blocks, and a device may have side effects. */
function requireFile(path: string, subject: string, ref: NetnsRef): void {
  const operation = `open network namespace of ${subject}`
  let isFile
  try {
    isFile = statSync(path).isFile()
  } catch (error) {
    throw cannotOpen(operation, ref, error)
  }
  if (!isFile) throw notANetns(operation)
}

/** Uids in another user namespace mean other users here, so a sidecar's uid would not identify it. */
function refuseForeignUser(pid: number, subject: string): void {
  const operation = `resolve network namespace of ${subject}`
  let theirs
  try {
    theirs = readlinkSync(`/proc/${pid}/ns/user`)
  } catch (error) {
    throw cannotOpen(operation, { pid }, error)
  }
  if (theirs === readlinkSync('/proc/self/ns/user')) return
  throw new MeshaccelError('the process lives in another user namespace', {
    code: 'FOREIGN_USER_NAMESPACE',
    operation,
    hint: "Give the namespace as `netns: PATH`, and the sidecar's uid as this host sees it as `proxyUid`.",
  })
}

function cookie(calls: NetnsCalls): bigint {
  try {
    return calls.currentNetnsCookie()
  } catch (error) {
    if (errnoOf(error) !== 'ENOPROTOOPT') throw error
    throw new MeshaccelError('this kernel has no SO_NETNS_COOKIE', {
      code: 'NETNS_COOKIE_UNSUPPORTED',
      operation: 'read network namespace cookie',
      hint: `Linux ${oldestKernel} or newer is needed.`,
      cause: error,
    })
  }
}

function enter<T>(calls: NetnsCalls, path: string, subject: string, ask: () => T): T {
  try {
    return calls.withNetns(path, ask)
  } catch (error) {
    const operation = `enter network namespace of ${subject}`
    switch (errnoOf(error)) {
      case 'EINVAL':
        throw notANetns(operation, error)
      case 'EPERM':
      case 'EACCES':
        throw new MeshaccelError('permission denied', {
          code: 'NETNS_FORBIDDEN',
          operation,
          hint: 'Run the agent as root; if it is, the namespace belongs to a user namespace it has no rights over.',
          cause: error,
        })
      default:
        throw error
    }
  }
}

function cannotOpen(operation: string, ref: NetnsRef, cause: unknown): MeshaccelError {
  const errno = errnoOf(cause)
  if (errno === 'EACCES' || errno === 'EPERM') {
    return new MeshaccelError('permission denied', {
      code: 'NETNS_FORBIDDEN',
      operation,
      hint: 'Run the agent as root; it needs CAP_SYS_ADMIN and CAP_SYS_PTRACE over the pod.',
      cause,
    })
  }
  if ('pid' in ref) {
    return new MeshaccelError('there is no such process', {
      code: 'PID_GONE',
      operation,
      hint: 'Name a process of the pod that runs now, or the path of its namespace.',
      retryable: true,
      cause,
    })
  }
  return new MeshaccelError('it is gone', {
    code: 'NETNS_GONE',
    operation,
    hint: '`ip netns list` shows the named ones.',
    retryable: true,
    cause,
  })
}

function notANetns(operation: string, cause?: unknown): MeshaccelError {
  return new MeshaccelError('the file is not a network namespace', {
    code: 'NOT_A_NETNS',
    operation,
    hint: 'A name under /run/netns whose namespace was unmounted is an empty file: `ip netns delete` removes it.',
    retryable: true,
    cause,
  })
}

/** getifaddrs(3) reads the namespace of the calling thread. */
function addresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .map(({ address }) => address)
}
