/** tap runs this after the last file: unmounts what before.ts mounted. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { unmountFileSystem } from 'libbpf'
import type { MissingMount } from '../../src/preflight/finding.ts'
import { noteFile } from './note.ts'

if (existsSync(noteFile)) {
  const mounts: readonly MissingMount[] = JSON.parse(readFileSync(noteFile, 'utf8'))
  for (const { at } of mounts.toReversed()) unmountFileSystem(at)
  rmSync(noteFile)
}
