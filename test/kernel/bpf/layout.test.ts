import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { t as root, test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

const fresh = mkdtempSync(join(tmpdir(), 'meshaccel-layout-'))
root.teardown(() => rmSync(fresh, { recursive: true }))
execFileSync('bash', [join(packageRoot, 'scripts/generate.sh'), fresh])

const written = [
  'src/datapath/generated-names.ts',
  'src/datapath/maps/generated.ts',
  'src/datapath/measure/generated.ts',
]

for (const file of written) {
  void test(`${file} is what the BTF of the built objects says`, (t) => {
    const expected = readFileSync(join(fresh, file), 'utf8')
    t.equal(readFileSync(join(packageRoot, file), 'utf8'), expected, 'run `npm run generate`')
    t.end()
  })
}
