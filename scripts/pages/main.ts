/** `npm run pages`: writes the generated pages of docs/. */
import { writeFileSync } from 'node:fs'
import { pathOf, textOf } from './generated-page.ts'
import { pages } from './pages.ts'

for (const page of pages) writeFileSync(pathOf(page), await textOf(page))
