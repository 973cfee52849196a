import { readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { test, type Test } from 'tap'
import { packageRoot } from '../../src/package.ts'
import { Mesh } from '../helpers/mesh.ts'
import { requireRoot } from '../helpers/requirements.ts'
import { type ComparedCase, diff, joinedArms } from './comparison.ts'
import { differences } from './differences.ts'
import { differs, renderDocument } from './document.ts'
import { documentedKernel, documentedVerdicts, type Verdicts } from './documented.ts'
import { elsewhere, type Kernel } from './elsewhere.ts'
import { PODS, Suite } from './suite.ts'

const documentPath = join(packageRoot, 'docs/SEMANTICS.md')

const kernelSeries = release().split('.').slice(0, 2).join('.')

void test('what applications see is what docs/SEMANTICS.md says', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: PODS })
  const suite = new Suite(mesh)
  const plain = await suite.plain()
  for (const [name, { transcript }] of plain) {
    t.notOk(transcript.some(isFailure), `${name} runs on plain TCP`, { transcript })
  }
  const { policy, cases } = await suite.compare(plain)
  const kernel = { series: kernelSeries, policy }
  const committed = readFileSync(documentPath, 'utf8')
  const writes = process.env['MESHACCEL_SEMANTICS'] === 'write'
  const its = documentedKernel(committed)
  if (!writes && (its.series !== kernel.series || its.policy !== policy)) {
    t.comment(`Linux ${kernel.series}, ${policy}: compared by verdicts`)
    for (const each of cases) compareVerdicts(t, each, expectedOf(kernel, committed))
    return
  }

  for (const each of cases) reportCase(t, each)
  const explained = Object.keys(differences).filter(
    (name) => !cases.some((each) => each.name === name && differs(each)),
  )
  t.strictSame(explained, [], 'no difference is explained that is none')

  const options = await resolveConfig(documentPath)
  const rendered = await format(renderDocument(kernel, cases, differences, elsewhere), {
    ...options,
    parser: 'markdown',
  })
  if (writes) writeFileSync(documentPath, rendered)
  const stale = diff((writes ? rendered : committed).split('\n'), rendered.split('\n')).filter(
    (line) => !line.startsWith(' '),
  )
  t.strictSame(stale, [], 'docs/SEMANTICS.md says what this run saw (npm run semantics writes it)')
})

/** What the document says, but for where this kernel is known to answer otherwise. */
function expectedOf(kernel: Kernel, document: string): Map<string, Verdicts> {
  const expected = documentedVerdicts(document)
  for (const { cases } of elsewhere.filter(({ applies }) => applies(kernel))) {
    for (const [name, verdicts] of Object.entries(cases)) {
      expected.set(name, { ...expected.get(name), ...verdicts })
    }
  }
  return expected
}

function compareVerdicts(
  t: Test,
  { name, skipped, arms }: ComparedCase,
  expected: ReadonlyMap<string, Verdicts>,
): void {
  if (skipped !== undefined) {
    t.comment(`${name}: this kernel cannot, ${skipped}`)
    return
  }
  for (const arm of joinedArms) {
    const compared = arms[arm]
    if (!compared) continue
    const { verdict, membership, difference } = compared
    const what = `${name}, ${arm}: ${verdict} (${membership})`
    t.equal(verdict, expected.get(name)?.[arm], what, { difference })
  }
}

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
