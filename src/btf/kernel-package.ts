/** Finds the kernel in a package: a .deb (ar, tar) or an .rpm (cpio). */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { MeshaccelError } from '../lib/errors.ts'
import { compressionOf, requireTool } from './compression.ts'

const AR = '!<arch>\n'
const AR_HEADER_BYTES = 60
const RPM = 0xedabeedb
const RPM_LEAD_BYTES = 96
const RPM_HEADER = 0x8eade801

/** The content of a package's kernel: of the vmlinux if it has one, else of the vmlinuz. */
export function kernelOfPackage(content: Buffer, operation: string): Buffer | undefined {
  if (content.toString('latin1', 0, AR.length) === AR) {
    return extracted(dataOfDeb(content, operation), TAR, operation)
  }
  if (content.length > RPM_LEAD_BYTES && content.readUInt32BE(0) === RPM) {
    return extracted(payloadOfRpm(content), CPIO, operation)
  }
  return undefined
}

/** deb(5): the member data.tar, packed or not. */
function dataOfDeb(content: Buffer, operation: string): Buffer {
  for (let at = AR.length; at + AR_HEADER_BYTES <= content.length;) {
    const name = content.toString('latin1', at, at + 16)
    const size = Number(content.toString('latin1', at + 48, at + 58))
    if (!Number.isInteger(size)) break
    const begin = at + AR_HEADER_BYTES
    if (name.startsWith('data.tar')) return content.subarray(begin, begin + size)
    at = begin + size + (size % 2)
  }
  throw new MeshaccelError('this .deb has no data', { code: 'BAD_DATA', operation })
}

/** Two headers follow the lead, each an index of 16 bytes an entry and a store. The first is padded to 8 bytes. */
function payloadOfRpm(content: Buffer): Buffer {
  let at = RPM_LEAD_BYTES
  for (const padding of [8, 1]) {
    if (content.readUInt32BE(at) !== RPM_HEADER) break
    at += 16 + content.readUInt32BE(at + 8) * 16 + content.readUInt32BE(at + 12)
    at += (padding - (at % padding)) % padding
  }
  return content.subarray(at)
}

/** Unpacks the archive of its standard input into the working directory: only files that may be the kernel. */
interface Archive {
  readonly command: string
  readonly args: string
}

const WANTED = "'*vmlinux*' '*vmlinuz*'"
const TAR: Archive = { command: 'tar', args: `-xf - --no-same-owner --wildcards ${WANTED}` }
const CPIO: Archive = { command: 'cpio', args: `-id --quiet --no-absolute-filenames ${WANTED}` }

/** As a pipe, because a package of debug symbols unpacks to gigabytes. */
function extracted(packed: Uint8Array, { command, args }: Archive, operation: string): Buffer {
  const [unpacker = 'cat', ...options] = compressionOf(packed)?.tool ?? []
  for (const tool of [unpacker, command]) requireTool(tool, operation)
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-btf-'))
  try {
    spawnSync('sh', ['-c', `${[unpacker, ...options].join(' ')} | ${command} ${args}`], {
      cwd: directory,
      input: packed,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    const kernel = best(kernelsIn(directory))
    if (kernel !== undefined) return readFileSync(kernel)
    throw new MeshaccelError('there is no vmlinux and no vmlinuz in this package', {
      code: 'NO_KERNEL',
      operation,
      hint: 'Give the package of the kernel image: linux-image-RELEASE, kernel-core, or one with debug symbols.',
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function kernelsIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => /^vmlinu[xz](?:$|[-.])/.test(basename(path)))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
}

const best = (paths: readonly string[]): string | undefined =>
  paths.find((path) => basename(path).startsWith('vmlinux')) ?? paths[0]
