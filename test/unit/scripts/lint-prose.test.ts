import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

interface Answer {
  readonly status: number | null
  /** One entry a breach: the line, and the name of the rule. */
  readonly breaches: readonly string[]
  readonly stdout: string
}

/** Lints one file of this name and text. */
function lint(t: Test, name: string, text: string, ...options: readonly string[]): Answer {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-prose-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, name)
  writeFileSync(file, text)
  const script = join(packageRoot, 'scripts/lint-prose.mjs')
  const { status, stdout } = spawnSync(process.execPath, [script, ...options, file], {
    encoding: 'utf8',
  })
  const breaches = [...stdout.matchAll(/:(\d+): .*\n {4}(\w+): /g)].map(
    ([, line = '', rule = '']) => `${line} ${rule}`,
  )
  return { status, breaches, stdout }
}

const words = (count: number): string => `The ${'word '.repeat(count - 2)}ends.`

void test('planted sentences are found, each with its line and rule', async (t) => {
  const planted: readonly (readonly [sentence: string, rule: string])[] = [
    ['Of what stays the same object in there, what follows does so.', 'start'],
    ['What somebody does not read keeps the old version.', 'start'],
    ['Who never reads must not keep the node from its new version.', 'start'],
    ['One that waits already waits on.', 'start'],
    ['Those that failed try again.', 'start'],
    ['No agent is running to wake him.', 'turn'],
    ['The agent sees to it that one version is pinned.', 'turn'],
    ['The pod is not enrolled, nor is any pod of its namespace.', 'turn'],
    [words(31), 'long'],
  ]
  for (const [sentence, rule] of planted) {
    const { status, breaches } = lint(t, 'page.md', `# Page\n\nIt is fine.\n${sentence}\n`)
    t.same(breaches, [`4 ${rule}`], sentence)
    t.equal(status, 1)
  }
})

void test('a sentence that spans lines has the line on which it begins', async (t) => {
  const text = '- A first item.\n- A second one. Of its\n  words this is the last.\n'
  t.same(lint(t, 'page.md', text).breaches, ['2 start'])
})

void test('a whole list is not one sentence', async (t) => {
  const text = Array.from({ length: 12 }, (_, index) => `- the entry with number ${index}\n`).join(
    '',
  )
  t.same(lint(t, 'page.md', text).breaches, [])
})

void test('good sentences pass', async (t) => {
  const good = [
    'Results keep their object identity while their inputs do.',
    'A stalled reader must not block an upgrade.',
    'What does the reader see?',
    'The shell reads 1.25 lines. The theme is here.',
    words(30),
  ]
  const { status, breaches } = lint(t, 'page.md', `${good.join('\n\n')}\n`)
  t.same(breaches, [])
  t.equal(status, 0)
})

void test('code, tables and addresses are not sentences', async (t) => {
  const text = `
Run \`him --of ${'word '.repeat(40)}\` once.

\`\`\`sh
Who never reads ${'word '.repeat(40)}
\`\`\`

| Of a pod | ${'word '.repeat(40)} |

A [link](https://example.org/him) stands here.
`
  t.same(lint(t, 'page.md', text).breaches, [])
})

void test('comments are reported, and do not fail', async (t) => {
  const typescript = "/** Whoever reads. */\nconst him = 'Of what'\n// Of two words.\n"
  const script = lint(t, 'a.ts', typescript, '--code')
  t.same(script.breaches, ['1 start', '1 turn', '3 start'])
  t.equal(script.status, 0)
  const c = '/* It reads.\n * What follows is odd. */\nint him;\n'
  t.same(lint(t, 'a.c', c, '--code').breaches, ['2 start'])
})
