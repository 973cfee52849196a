import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { pathOf, textOf } from '../../../scripts/pages/generated-page.ts'
import { pages } from '../../../scripts/pages/pages.ts'

for (const page of pages) {
  void test(`docs/${page.name} says what the sources say`, async (t) => {
    t.equal(readFileSync(pathOf(page), 'utf8'), await textOf(page), 'npm run pages updates it')
  })
}
