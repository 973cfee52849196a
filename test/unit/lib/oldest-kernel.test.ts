import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { oldestKernel } from '../../../src/lib/oldest-kernel.ts'
import { packageRoot } from '../../../src/lib/package.ts'

void test('the README names the same kernel', async (t) => {
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8')
  const named = [...readme.matchAll(/Linux:? (\d+\.\d+) or newer/g)].map(([, it]) => it)
  t.strictSame(new Set(named), new Set([oldestKernel]))
})
