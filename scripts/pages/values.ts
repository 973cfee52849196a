import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMap, isNode, isScalar, parseDocument, type YAMLMap } from 'yaml'
import { packageRoot } from '../../src/lib/package.ts'
import { type GeneratedPage, table } from './generated-page.ts'

const chart = join(packageRoot, 'deploy/helm/meshaccel')

/** The last paragraph of a comment. */
const oneLine = (comment: string): string =>
  (comment.split(/\n\s*\n/).at(-1) ?? '').replaceAll(/\s*\n\s*/g, ' ').trim()

/** A row for each value of the chart, with the comment before it in values.yaml. */
function rows(map: YAMLMap, path: readonly string[], comments: readonly string[]): string[][] {
  return map.items.flatMap(({ key, value }, index) => {
    if (!isScalar(key)) throw new Error('a key of values.yaml is no scalar')
    // yaml gives the comment before the first key to the map.
    const own = oneLine(key.commentBefore ?? (index === 0 ? (map.commentBefore ?? '') : ''))
    const here = [...path, String(key.value)]
    const told = own === '' ? comments : [...comments.slice(1), own]
    if (isMap(value) && !value.flow && value.items.length > 0) {
      return rows(value, here, own === '' ? [] : [own])
    }
    const shown = JSON.stringify(isNode(value) ? value.toJSON() : null)
    const isFirst = index === 0
    return [[`\`${here.join('.')}\``, `\`${shown}\``, own === '' && isFirst ? told.join(' ') : own]]
  })
}

export const values: GeneratedPage = {
  name: 'VALUES.md',
  render: () => {
    const document = parseDocument(readFileSync(join(chart, 'values.yaml'), 'utf8'))
    if (!isMap(document.contents)) throw new Error('values.yaml is no map')
    return `# Values of the chart

\`helm show values deploy/helm/meshaccel\` prints the same with comments. \`values.schema.json\` refuses a misspelt key or a value
of a wrong kind, and names it.

${table(['value', 'default', 'meaning'], rows(document.contents, [], []))}
`
  },
}
