import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { exchangeFiles } from 'libbpf'

export interface Replacement {
  readonly path: string
  readonly content: Buffer
  /** The file to copy mode and owner from; by default the replaced file. */
  readonly like?: string
  /** The mode, instead of the old file's. */
  readonly mode?: number
  /** The content that the file must still have. Without it, the file may be new. */
  readonly expected?: Buffer
}

/** Matches files that a killed writer has left. */
export const temporaryName: RegExp = /^\..+\.meshaccel-[0-9a-f]{12}$/

/**
 * Replaces a file atomically: readers see the old or the new one. Returns false and changes nothing if the file no
 * longer has the expected content: another program has just written or removed it.
 */
export function replaceFile(replacement: Replacement): boolean {
  const { path, content, like = path, mode, expected } = replacement
  // Neither a runtime nor another mesh's installer takes such a name for a configuration.
  const suffix = randomBytes(6).toString('hex')
  const temporary = join(dirname(path), `.${basename(path)}.meshaccel-${suffix}`)
  const model = mode === undefined ? statSync(like) : undefined
  const file = openSync(temporary, 'wx', 0o600)
  try {
    writeFileSync(file, content)
    fchmodSync(file, mode ?? (model?.mode ?? 0) & 0o7777)
    if (model) fchownSync(file, model.uid, model.gid)
    fsyncSync(file)
    if (expected === undefined) {
      renameSync(temporary, path)
      return true
    }
    if (!readFileSync(path).equals(expected)) return false
    return swapIn(temporary, path, content, expected)
  } finally {
    closeSync(file)
    rmSync(temporary, { force: true })
  }
}

/**
 * Exchanges the temporary file with the path, then checks the old content. A rename would undo what another program
 * wrote since the last read, and restore a file that it removed. Exported for the tests.
 */
export function swapIn(
  temporary: string,
  path: string,
  content: Buffer,
  expected: Buffer,
): boolean {
  let given = content
  let awaited = expected
  for (let swaps = 0; swaps < 10; swaps++) {
    const outcome = exchangeFiles(temporary, path)
    if (outcome === 'unsupported') {
      renameSync(temporary, path)
      return true
    }
    if (outcome === 'gone') return false
    const received = readFileSync(temporary)
    if (received.equals(awaited)) return swaps === 0
    // The received content is newer than ours, so it goes back.
    awaited = given
    given = received
  }
  return false
}
