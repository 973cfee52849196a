import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'test/system/cluster/README.md',
  ...readdirSync(join(packageRoot, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]
const tops = 'bench|bpf|cni|deploy|docs|model|packages|scripts|src|test'

/** GitHub's name for the anchor of a heading. */
function anchor(heading: string): string {
  const letters = heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '')
  return letters.trim().replaceAll(' ', '-')
}

/** Paths of the repository that a page names, and its links to files and headings, that do not exist. */
function missing(page: string, text: string): string[] {
  const named = [...text.matchAll(new RegExp(`\`((?:${tops})/[\\w./-]+)\``, 'g'))]
    .map(([, path = '']) => path)
    .filter((path) => !existsSync(join(packageRoot, path)))
  const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].flatMap(
    ([, link = '', wanted]) => {
      const path = link === '' ? page : join(dirname(page), link)
      if (!existsSync(join(packageRoot, path))) return [path]
      if (wanted === undefined) return []
      const target = path === page ? text : readFileSync(join(packageRoot, path), 'utf8')
      const headings = [...target.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
      return headings.some((heading) => anchor(heading) === wanted) ? [] : [`${path}#${wanted}`]
    },
  )
  return [...named, ...links]
}

for (const page of pages) {
  void test(`the paths and links of ${page} exist`, async (t) => {
    t.same(missing(page, readFileSync(join(packageRoot, page), 'utf8')), [])
  })
}

void test('planted ones are found', async (t) => {
  const text =
    '# A head\n`src/none.ts` `src/cli.ts` [a](NONE.md) [b](#a-head) [c](#none) [d](LIMITS.md#none)'
  t.same(missing('docs/MAPS.md', text), [
    'src/none.ts',
    'docs/NONE.md',
    'docs/MAPS.md#none',
    'docs/LIMITS.md#none',
  ])
})
