/** Unpacks what kernels and packages are packed with: by Node where it can, else by the tool of that name. */
import { spawnSync } from 'node:child_process'
import { gunzipSync } from 'node:zlib'
import { MeshaccelError } from '../lib/errors.ts'

interface Compression {
  readonly name: string
  /** The first bytes of such data. */
  readonly magic: readonly number[]
  readonly tool: readonly [command: string, ...args: string[]]
}

const compressions: readonly Compression[] = [
  { name: 'gzip', magic: [0x1f, 0x8b], tool: ['gzip', '-dc'] },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], tool: ['xz', '-dc'] },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], tool: ['zstd', '-dc'] },
  { name: 'lz4', magic: [0x02, 0x21, 0x4c, 0x18], tool: ['lz4', '-dc'] },
  { name: 'lzma', magic: [0x5d, 0, 0, 0], tool: ['xz', '-dc', '--format=lzma'] },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], tool: ['bzip2', '-dc'] },
]

/** Debian's package of a tool, where it has another name. */
const packages: Readonly<Record<string, string>> = { xz: 'xz-utils' }

export const compressionOf = (data: Uint8Array): Compression | undefined =>
  compressions.find(({ magic }) => magic.every((byte, index) => data[index] === byte))

/** Throws NO_TOOL with the command that installs it. */
export function requireTool(command: string, operation: string): void {
  const { error } = spawnSync(command, ['--version'], { stdio: 'ignore' })
  if (!error) return
  throw new MeshaccelError(`there is no command ${command}`, {
    code: 'NO_TOOL',
    operation,
    hint: `Install it: apt-get install ${packages[command] ?? command}`,
    cause: error,
  })
}

/** An unpacked kernel has less. */
const MOST_BYTES = 2 ** 31 - 1

/**
 * The data itself if it is not packed. Padding behind it is ignored, as kernels have it. Throws NO_TOOL if no tool for it
 * is installed, and BAD_DATA if nothing comes out.
 */
export function unpack(data: Uint8Array, operation: string): Uint8Array {
  const found = compressionOf(data)
  if (!found) return data
  if (found.name === 'gzip') {
    try {
      return gunzipSync(data, { maxOutputLength: MOST_BYTES })
    } catch (cause) {
      throw badData(found, operation, cause)
    }
  }
  const [command, ...args] = found.tool
  requireTool(command, operation)
  const { error, stdout } = spawnSync(command, args, {
    input: data,
    maxBuffer: MOST_BYTES,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  // The tools complain of the padding after they have written everything.
  if (stdout.length === 0) throw badData(found, operation, error)
  return stdout
}

const badData = ({ name }: Compression, operation: string, cause: unknown): MeshaccelError =>
  new MeshaccelError(`nothing comes out of its ${name} data`, {
    code: 'BAD_DATA',
    operation,
    cause,
  })
