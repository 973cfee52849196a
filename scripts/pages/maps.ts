import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pinnedMaps } from '../../src/datapath/pins/programs.ts'
import { packageRoot } from '../../src/lib/package.ts'
import { type GeneratedPage, table } from './generated-page.ts'

const definition =
  /(?:\/\*((?:[^*]|\*(?!\/))*)\*\/\n)?struct \{\n((?:\t.*\n)+)\} (meshaccel_\w+)(?: __weak)? SEC\("\.maps"\);/g

/** The definitions in a file, each with the comment before it. */
function definitions(file: string): string[][] {
  const source = readFileSync(join(packageRoot, file), 'utf8')
  return [...source.matchAll(definition)].map(([, comment = '', body = '', name = '']) => {
    if (comment === '') throw new Error(`${name} has no comment: ${file}`)
    const field = (key: string): string =>
      new RegExp(`__(?:uint|type)\\(${key}, (.+)\\);`).exec(body)?.[1] ?? ''
    const entries = field('max_entries').replace(/\s*\*\s*/, ' × ')
    const isPinned = pinnedMaps.some((pinned) => `meshaccel_${pinned}` === name)
    return [
      `\`${name}\``,
      field('type').replace('BPF_MAP_TYPE_', '').toLowerCase().replaceAll('_', ' '),
      [field('key'), field('value')].filter((type) => type !== '').join(' > '),
      entries,
      isPinned ? 'yes' : '',
      comment.replaceAll(/\s*\n \*\s*/g, ' ').trim(),
    ]
  })
}

const titles = ['map', 'type', 'key > value', 'entries', 'pinned', 'holds']
const dataPath = ['bpf/include/maps.bpf.h', 'bpf/include/memory.bpf.h']

export const maps: GeneratedPage = {
  name: 'MAPS.md',
  render: () => `# Maps

\`bpf/include/meshaccel.h\` defines the layout of keys and values, and the numbers of entries. The pinned maps lie in
\`PIN/<hash of the object>/\`, each under its name without \`meshaccel_\`.

## Data path

${table(titles, dataPath.flatMap(definitions))}

## Measuring

\`--measure\` loads these from \`bpf/measure/measure.bpf.c\`.

${table(titles, definitions('bpf/measure/measure.bpf.c'))}

## Life of a record

A record in socket-local storage ends with its socket. A socket that reaches TCP_CLOSE says so (\`closed.bpf.h\`). The sweep
finds the sockets that no program saw. Only the scan gives back slots and claims. A full table leaves a connection on TCP
(\`table-full\`).

bpftool shows their contents, for instance the members:

\`\`\`sh
bpftool map dump pinned /sys/fs/bpf/meshaccel/*/members
\`\`\`
`,
}
