import { readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { test, type Test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { bootedKernels } from '../../../src/datapath/selftest/booted-kernels.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { type ComparedCase, diff } from './comparison.ts'
import { differences } from './differences.ts'
import { differs, renderDocument } from './document.ts'
import { documentedKernel, documentedVerdicts } from './documented.ts'
import { elsewhere, expectedOf, mistaken } from './elsewhere.ts'
import { brokenCases, PODS, Suite } from './suite.ts'

const documentPath = join(packageRoot, 'docs/SEMANTICS.md')

const kernelSeries = release().split('.').slice(0, 2).join('.')

void test('what applications see is what docs/SEMANTICS.md says', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: PODS })
  const suite = new Suite(mesh)
  const plain = await suite.plain()
  t.strictSame(brokenCases(plain), [], 'all run on plain TCP', { plain })
  const { policy, cases } = await suite.compare(plain)
  const kernel = { series: kernelSeries, policy }
  const committed = readFileSync(documentPath, 'utf8')
  const writes = process.env['MESHACCEL_SEMANTICS'] === 'write'
  const its = documentedKernel(committed)
  if (!writes && (its.series !== kernel.series || its.policy !== policy)) {
    t.comment(`Linux ${kernel.series}, ${policy}: compared by verdicts`)
    const found = mistaken(cases, expectedOf(kernel, documentedVerdicts(committed)))
    t.strictSame(found, [], 'the verdicts are those that are known of this kernel')
    return
  }

  for (const each of cases) reportCase(t, each)
  const explained = Object.keys(differences).filter(
    (name) => !cases.some((each) => each.name === name && differs(each)),
  )
  t.strictSame(explained, [], 'no difference is explained that is none')

  const options = await resolveConfig(documentPath)
  const document = renderDocument(kernel, cases, differences, elsewhere, bootedKernels)
  const rendered = await format(document, { ...options, parser: 'markdown' })
  if (writes) writeFileSync(documentPath, rendered)
  const stale = diff((writes ? rendered : committed).split('\n'), rendered.split('\n')).filter(
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
