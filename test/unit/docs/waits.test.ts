import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

const read = (path: string): string => readFileSync(join(packageRoot, path), 'utf8')

interface Wait {
  readonly constant: string
  readonly ms: number
  readonly path: string
}

/** Pairs the bounds of a sentence or a row with the constants in it. */
function waits(bounds: string, constants: string, path: string): Wait[] {
  const ms = [...bounds.matchAll(/([\d,]+) ms/g)].map(([, digits = '']) => digits)
  const names = [...constants.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)
  if (ms.length !== names.length) throw new Error(`${bounds}: ${constants}`)
  return names.map((constant, index) => ({
    constant,
    ms: Number(ms[index]?.replaceAll(',', '')),
    path,
  }))
}

const [, section = ''] =
  /\n## From an annotation to the map\n(.*?)\n## /s.exec(read('docs/ARCHITECTURE.md')) ?? []
const rows = [...section.matchAll(/^\|[^|]+\|([^|]+ms *)\|([^|]+)\| `([^`]+)` +\|$/gm)].flatMap(
  ([, bounds = '', constants = '', path = '']) => waits(bounds, constants, path),
)
const sentences = [
  ...section.matchAll(
    /([\d,]+ ms(?:, later up to\s+[\d,]+ ms)?)[^|(]*\(((?:`\w+`(?:, )?)+) in\s+`([^`]+)`\)/g,
  ),
].flatMap(([, bounds = '', constants = '', path = '']) => waits(bounds, constants, path))

void test('the page has the waits of the code', async (t) => {
  t.equal(rows.length, 14)
  t.equal(sentences.length, 5)
  for (const { constant, ms, path } of [...rows, ...sentences]) {
    const [, digits] = new RegExp(`\\b${constant}(?: =|:) ([\\d_]+)`).exec(read(path)) ?? []
    t.equal(Number(digits?.replaceAll('_', '')), ms, `${constant} of ${path}`)
  }
})
