import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { corpusOf, fuzz, targets } from './fuzzing.ts'

for (const name of targets) {
  void test(`${name}: every input of the corpus`, async (t) => {
    const corpus = corpusOf(name)
    t.ok(existsSync(corpus) && readdirSync(corpus).length > 0, 'there is one')
    const target: { fuzz: (input: Uint8Array) => void } = await import(`./targets/${name}.ts`)
    for (const file of readdirSync(corpus)) target.fuzz(readFileSync(join(corpus, file)))
  })

  void test(`${name}: a few seconds of fuzzing`, async (t) => {
    const findings = mkdtempSync(join(tmpdir(), 'meshaccel-findings-'))
    t.teardown(() => rmSync(findings, { recursive: true }))
    const { summary, crash, output } = await fuzz(name, 3, findings)
    t.comment(crash ? output : summary)
    t.match(summary, /cov: [1-9]/, 'it is guided by coverage')
    t.equal(crash && Buffer.from(crash).toString('latin1'), undefined, 'nothing breaks it')
  })
}
