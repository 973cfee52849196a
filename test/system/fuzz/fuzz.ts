/**
 * `npm run fuzz -- --seconds N [--target NAME]`: fuzzes the parsers and keeps inputs that reach new code in the corpus.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { corpusOf, fuzz, targets } from './fuzzing.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, target: { type: 'string' } },
})
const seconds = Number(values.seconds)
const names = targets.filter((name) => (values.target ?? name) === name)
if (!(seconds > 0) || names.length === 0) {
  console.error(`usage: npm run fuzz -- --seconds N [--target ${targets.join('|')}]`)
  process.exit(2)
}
for (const name of names) {
  const { summary, crash, output } = await fuzz(name, seconds / names.length, corpusOf(name))
  console.log(`${name}: ${summary}`)
  if (crash === undefined) continue
  const file = join(mkdtempSync(join(tmpdir(), 'meshaccel-crash-')), name)
  writeFileSync(file, crash)
  console.log(output)
  console.log(`${name}: broken by ${file}`)
  process.exitCode = 1
}
