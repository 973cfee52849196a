import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { test, type Test } from 'tap'
import { packageRoot } from '../../src/package.ts'
import { Mesh } from '../helpers/mesh.ts'
import { requireRoot } from '../helpers/requirements.ts'
import { type ComparedCase, diff } from './comparison.ts'
import { differences } from './differences.ts'
import { differs, renderDocument } from './document.ts'
import { PODS, Suite } from './suite.ts'

const documentPath = join(packageRoot, 'docs/SEMANTICS.md')

void test('what applications see is what docs/SEMANTICS.md says', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: PODS })
  const suite = new Suite(mesh)
  const plain = await suite.plain()
  for (const [name, { transcript }] of plain) {
    t.notOk(transcript.some(isFailure), `${name} runs on plain TCP`, { transcript })
  }
  const { cases } = await suite.compare(plain)

  for (const each of cases) reportCase(t, each)
  const explained = Object.keys(differences).filter(
    (name) => !cases.some((each) => each.name === name && differs(each)),
  )
  t.strictSame(explained, [], 'no difference is explained that is none')

  const options = await resolveConfig(documentPath)
  const rendered = await format(renderDocument(cases, differences), {
    ...options,
    parser: 'markdown',
  })
  if (process.env['MESHACCEL_SEMANTICS'] === 'write') writeFileSync(documentPath, rendered)
  const committed = readFileSync(documentPath, 'utf8')
  const stale = diff(committed.split('\n'), rendered.split('\n')).filter(
    (line) => !line.startsWith(' '),
  )
  t.strictSame(stale, [], 'docs/SEMANTICS.md says what this run saw (npm run semantics writes it)')
})

function reportCase(t: Test, { name, skipped, arms }: ComparedCase): void {
  if (skipped !== undefined) {
    t.pass(`${name}: not on this kernel`, { skip: skipped })
    return
  }
  for (const [arm, { verdict, difference }] of Object.entries(arms)) {
    t.ok(verdict === 'same' || differences[name] !== undefined, `${name}, ${arm}: ${verdict}`, {
      difference,
    })
  }
}

function isFailure(line: string): boolean {
  return line === 'hangs' || line.startsWith('the probe failed')
}
