import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { makeDirectory } from '../../../src/lib/make-directory.ts'

void test('makes parents, and does not mind what is there', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-directory-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'a/b/c')
  makeDirectory(path, 0o700)
  makeDirectory(path, 0o700)
  t.equal(statSync(join(directory, 'a')).mode & 0o777, 0o700)
  writeFileSync(join(directory, 'file'), '')
  t.throws(() => makeDirectory(join(directory, 'file/x'), 0o700), { code: 'ENOTDIR' })
  symlinkSync('/nowhere', join(directory, 'dangling'))
  t.throws(() => makeDirectory(join(directory, 'dangling/x'), 0o700), { code: 'ENOENT' })
})

void test('returns where the kernel says ENOENT although the parent is there', async (t) => {
  // Node's own recursive mkdir never returns here, as on sysfs.
  t.throws(() => makeDirectory('/proc/meshaccel/pins', 0o700), { code: 'ENOENT' })
  t.ok(existsSync('/proc'))
})
