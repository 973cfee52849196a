import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { packageRoot, version } from '../../../src/lib/package.ts'

const files = [
  'CHANGELOG.md',
  'deploy/helm/meshaccel/Chart.yaml',
  'package.json',
  'packages/libbpf/package.json',
  'scripts/release-notes.sh',
]

/** The notes of `asked` in a copy of the checkout, in which `edit` changes a file. */
function notes(
  t: Test,
  asked: string,
  edit?: { readonly file: string; readonly from: string | RegExp; readonly to: string },
): { status: number | null; stdout: string; stderr: string } {
  const copy = t.testdir()
  for (const file of files) cpSync(join(packageRoot, file), join(copy, file))
  if (edit !== undefined) {
    const path = join(copy, edit.file)
    writeFileSync(path, readFileSync(path, 'utf8').replace(edit.from, edit.to))
  }
  const script = join(copy, 'scripts/release-notes.sh')
  return spawnSync('bash', [script, asked], { encoding: 'utf8' })
}

void test('this version can be released: all files name it, and the changelog has its notes', (t) => {
  const { status, stdout, stderr } = notes(t, version)
  t.equal(status, 0, stderr)
  t.match(stdout, /^\n?### Added$/m)
  t.notMatch(stdout, /^## |^\[/m)
  t.end()
})

void test('a tag that names another version is refused', (t) => {
  t.match(notes(t, '99.0.0'), { status: 1, stderr: /package\.json is not at version 99\.0\.0/ })
  t.end()
})

void test('a chart that was forgotten is refused', (t) => {
  const edit = { file: 'deploy/helm/meshaccel/Chart.yaml', from: `appVersion: ${version}`, to: '' }
  t.match(notes(t, version, edit), { status: 1, stderr: /Chart\.yaml is not at version/ })
  t.end()
})

void test('a changelog without the version is refused', (t) => {
  const edit = { file: 'CHANGELOG.md', from: `## [${version}]`, to: '## [0.0.1]' }
  t.match(notes(t, version, edit), { status: 1, stderr: /CHANGELOG\.md has no section/ })
  t.end()
})

void test('every version of the changelog has a link', (t) => {
  const changelog = readFileSync(join(packageRoot, 'CHANGELOG.md'), 'utf8')
  const headings = [...changelog.matchAll(/^## \[(.+)\]/gm)].map(([, name]) => name)
  const links = [...changelog.matchAll(/^\[(.+)\]: https:\/\//gm)].map(([, name]) => name)
  t.strictSame(headings.slice(0, 2), ['Unreleased', version])
  t.strictSame(headings, links)
  t.end()
})
