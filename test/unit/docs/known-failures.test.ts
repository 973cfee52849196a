import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

for (const page of ['docs/KNOWN-FAILURES.md', 'docs/PLATFORMS.md']) {
  void test(`each test that ${page} names exists`, async (t) => {
    const text = readFileSync(join(packageRoot, page), 'utf8')
    const named = new Set([...text.matchAll(/`(test\/[\w./-]+)`/g)].map(([, path = '']) => path))
    t.ok(named.size > 0)
    for (const path of named) t.ok(existsSync(join(packageRoot, path)), path)
  })
}
