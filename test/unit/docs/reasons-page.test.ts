import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { ofPods, ofTraffic, type Words } from '../../../src/cli/output/words/reason.ts'
import { packageRoot } from '../../../src/lib/package.ts'

const path = join(packageRoot, 'docs/REASONS.md')

function table(reasons: Readonly<Record<string, Words>>): string {
  const rows = Object.entries(reasons).map(([reason, { means, next }]) => [
    `\`${reason}\``,
    means,
    next ?? '',
  ])
  const all = [['reason', 'it means that', 'what to do'], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  const [head = [], ...body] = all
  return [line(head), rule, ...body.map(line)].join('\n')
}

const page = `# Reasons

This page lists every reason why something is not on the fast path. \`meshaccel explain NS/POD\` shows the reasons of one pod.
\`meshaccel reasons\` counts them for the node. \`npm run reasons\` writes this page from the words that these commands use.

## Why a pod is not enrolled

${table(ofPods)}

## Why a send, a connection or an end is not on the fast path

${table(ofTraffic)}
`

void test('docs/REASONS.md says what the commands say', (t) => {
  if (process.env['MESHACCEL_REASONS'] === 'write') writeFileSync(path, page)
  t.equal(readFileSync(path, 'utf8'), page, 'run `npm run reasons` to write it again')
  t.end()
})
