import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import { MeshaccelError } from '../../lib/errors.ts'
import { UsageError } from '../usage-error.ts'

/** The form of a result: `text` is one line for each packet. */
export type CaptureFormat = 'text' | 'pcap' | 'pcapng'

export interface CaptureWish {
  readonly format: CaptureFormat
  /** An expression as in pcap-filter(7). */
  readonly filter: string | undefined
  /** Bytes of each packet. */
  readonly snaplen: number | undefined
  /** Whether somebody looks at the packets while they come. */
  readonly live: boolean
}

/** A program that captures packets, and its command line. */
export interface CaptureTool {
  readonly name: 'tcpdump' | 'dumpcap'
  readonly command: readonly string[]
  /** The form of its output. */
  readonly format: CaptureFormat
}

/** The directories of system programs, which are not on every path. */
const SYSTEM = ['/usr/sbin', '/usr/bin', '/sbin']

/** The kernel's buffer: a pod that was accelerated a moment ago may send more than a program reads at once. */
const BUFFER_MIB = 32

/**
 * The installed program that fits best. tcpdump is preferred because it does everything. dumpcap cannot print packets.
 * Throws NO_CAPTURE_TOOL if there is none.
 */
export function chooseTool(
  wish: CaptureWish,
  path: string = '',
  { also = SYSTEM }: { readonly also?: readonly string[] } = {},
): CaptureTool {
  const directories = [...path.split(':').filter(Boolean), ...also]
  const tcpdump = find('tcpdump', directories)
  if (tcpdump !== undefined) return tcpdumpFor(tcpdump, wish)
  const dumpcap = find('dumpcap', directories)
  if (dumpcap !== undefined && wish.format !== 'text') return dumpcapFor(dumpcap, wish)
  throw new MeshaccelError(
    dumpcap === undefined
      ? 'neither tcpdump nor dumpcap is installed'
      : 'tcpdump is not installed, and dumpcap cannot print packets',
    {
      code: 'NO_CAPTURE_TOOL',
      operation: 'capture packets',
      hint:
        (dumpcap === undefined ? '' : 'Name a file with -w, or install tcpdump. ') +
        'Debian and Ubuntu: `apt-get install tcpdump`; Fedora: `dnf install tcpdump`. Where nothing can be ' +
        "installed, as in the agent's own container, `meshaccel capture --hold` keeps the pod on TCP for a capture by " +
        'other means: docs/CAPTURE.md.',
    },
  )
}

function tcpdumpFor(path: string, { format, filter, snaplen, live }: CaptureWish): CaptureTool {
  const command = [
    path,
    // Names would be looked up by the node, and not by the pod.
    '-n',
    '-i',
    'any',
    '-B',
    String(BUFFER_MIB << 10),
    ...(snaplen === undefined ? [] : ['-s', String(snaplen)]),
    // A person, or a program behind a pipe, wants each packet at once. A file wants few large writes.
    ...(format === 'text' ? ['-l'] : live ? ['-U', '-w', '-'] : ['-w', '-']),
    // A filter that begins with a dash is no option.
    ...(filter === undefined ? [] : ['--', filter]),
  ]
  return { name: 'tcpdump', command, format: format === 'text' ? 'text' : 'pcap' }
}

function dumpcapFor(path: string, { format, filter, snaplen }: CaptureWish): CaptureTool {
  const command = [
    path,
    '-q',
    '-i',
    'any',
    '-B',
    String(BUFFER_MIB),
    ...(snaplen === undefined ? [] : ['-s', String(snaplen)]),
    ...(filter === undefined ? [] : ['-f', filter]),
    ...(format === 'pcap' ? ['-P'] : ['-n']),
    '-w',
    '-',
  ]
  return { name: 'dumpcap', command, format }
}

/** Throws a UsageError if tcpdump does not understand the filter. dumpcap checks it when it begins. */
export function checkFilter({ name, command }: CaptureTool, filter: string | undefined): void {
  const [path = ''] = command
  if (filter === undefined || name !== 'tcpdump') return
  // The headers that a capture on all interfaces has.
  const { status, stderr } = spawnSync(path, ['-y', 'LINUX_SLL2', '-d', '--', filter], {
    encoding: 'utf8',
  })
  if (status === 0 || !/filter expression/.test(stderr)) return
  throw new UsageError(
    `--filter: ${stderr
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^tcpdump: /, '')}`,
  )
}

function find(name: string, directories: readonly string[]): string | undefined {
  return directories.map((directory) => join(directory, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
