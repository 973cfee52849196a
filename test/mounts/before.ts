/** tap runs this before the first file: a pristine root has neither bpffs nor cgroup v2. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { defaults } from '../../src/lib/config.ts'
import { mountMissing } from '../../src/preflight/mount-missing.ts'
import { examine } from '../../src/preflight/preflight.ts'
import { noteFile } from './note.ts'

if (process.getuid?.() === 0) {
  const { mounts } = mountMissing(examine({ purpose: 'bench', pinDir: defaults.pinDir }))
  mkdirSync(dirname(noteFile), { recursive: true })
  writeFileSync(noteFile, JSON.stringify(mounts))
  for (const { type, at } of mounts) process.stderr.write(`test: mounted ${type} at ${at}\n`)
}
