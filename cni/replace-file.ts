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

export interface Replacement {
  readonly path: string
  readonly content: string | Buffer
  /** Of a new file; one that is there keeps its mode and owner. */
  readonly mode: number
  /** What the file must still hold just before it is replaced. */
  readonly expected?: string
}

/**
 * Puts a file in place whole or not at all: readers see the old or the new one. False, and nothing done, when it no
 * longer holds what is expected, because somebody else has just written it.
 */
export function replaceFile({ path, content, mode, expected }: Replacement): boolean {
  // Neither a runtime nor another mesh's installer takes a name like that for a configuration.
  const suffix = randomBytes(6).toString('hex')
  const temporary = join(dirname(path), `.${basename(path)}.meshaccel-${suffix}`)
  const before = statSync(path, { throwIfNoEntry: false })
  const file = openSync(temporary, 'wx', 0o600)
  try {
    writeFileSync(file, content)
    fchmodSync(file, before ? before.mode & 0o7777 : mode)
    if (before) fchownSync(file, before.uid, before.gid)
    fsyncSync(file)
    if (expected !== undefined && readFileSync(path, 'utf8') !== expected) return false
    renameSync(temporary, path)
    return true
  } finally {
    closeSync(file)
    rmSync(temporary, { force: true })
  }
}
