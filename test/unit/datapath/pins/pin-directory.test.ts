import { deepStrictEqual } from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import * as fc from 'fast-check'
import { test } from 'tap'
import { isLeaving, pinnedVersions, setAside } from '../../../../src/datapath/pins/pin-directory.ts'

const hash = fc.stringMatching(/^[0-9a-f]{16}$/)
/** Leftovers of a dead agent, an administrator or another program. Some names are almost ours. */
const other = fc.oneof(
  fc.constantFrom('partial', 'cilium', '.hidden', '0123456789abcde', '0123456789abcdef0'),
  fc.stringMatching(/^[0-9A-Z]{16}$/).filter((name) => /[A-Z]/.test(name)),
  fc.stringMatching(/^[!-\-0-~][ -.0-~]{0,15}$/).filter((name) => !/^[0-9a-f]{16}$/.test(name)),
)

void test('only complete versions of ours are found, whatever else is in the directory', async () => {
  fc.assert(
    fc.property(fc.uniqueArray(hash), fc.uniqueArray(other), (ours, others) => {
      const directory = mkdtempSync(join(tmpdir(), 'meshaccel-pins-'))
      try {
        for (const name of [...ours, ...others]) mkdirSync(join(directory, name))
        const found = pinnedVersions(directory).map((path) => basename(path))
        deepStrictEqual(found.toSorted(), ours.toSorted())
      } finally {
        rmSync(directory, { recursive: true })
      }
    }),
  )
})

void test('a version may be set aside more than once, and is found last', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-pins-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const version = join(directory, 'fedcba9876543210')
  const aside = [1, 2].map(() => {
    mkdirSync(version)
    return setAside(version)
  })
  t.strictSame(aside, [
    `${directory}/leaving-fedcba9876543210-1`,
    `${directory}/leaving-fedcba9876543210-2`,
  ])
  mkdirSync(version)
  t.strictSame(pinnedVersions(directory), [version, ...aside])
  t.strictSame(pinnedVersions(directory).map(isLeaving), [false, true, true])
})

void test('without a directory there is none', async (t) => {
  t.strictSame(pinnedVersions('/nonexistent'), [])
})
