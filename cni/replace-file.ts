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
  /** A file whose mode and owner the new one gets; unless given, the file that is replaced. */
  readonly like?: string
  /** The mode, whatever the old file has. */
  readonly mode?: number
  /** What the file must still hold when it is replaced. Without it, the file may be new. */
  readonly expected?: Buffer
}

/** The names of files that were being written when their writer was killed. */
export const temporaryName: RegExp = /^\..+\.meshaccel-[0-9a-f]{12}$/

/**
 * Puts a file in place whole or not at all: readers see the old or the new one. False, and nothing done, when it no
 * longer holds what is expected: another program has just written or removed it.
 */
export function replaceFile(replacement: Replacement): boolean {
  const { path, content, like = path, mode, expected } = replacement
  // Neither a runtime nor another mesh's installer takes a name like that for a configuration.
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
 * Gives the content to the path, and looks at what it was given in exchange. A rename would undo what another program
 * wrote since the last look, and bring back a file that it removed. Exported for the tests.
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
    // It is newer than what we gave: it goes back.
    awaited = given
    given = received
  }
  return false
}
