import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { test } from 'tap'
import {
  firstNetwork,
  hasPlugin,
  listOf,
  pluginType,
  withoutPlugin,
  withPlugin,
} from '../../cni/conflist.ts'
import { packageRoot } from '../../src/package.ts'

const fixtures = join(packageRoot, 'test/fixtures/cni')
const entry = { type: pluginType } as const
const read = (name: string): string => readFileSync(join(fixtures, name), 'utf8')

for (const name of readdirSync(fixtures).filter((file) => file.endsWith('.before'))) {
  const stem = name.slice(0, -'.before'.length)
  void test(stem, async (t) => {
    const before = read(name)
    const list = stem.endsWith('.conf') ? listOf(before) : before
    const after = withPlugin(list, entry)
    t.equal(after, read(`${stem}.after`), 'the golden file')
    t.equal(withPlugin(after, entry), after, 'once more changes nothing')
    t.equal(withoutPlugin(after), list, 'and out again leaves no trace')
    t.ok(hasPlugin(after))
    t.notOk(hasPlugin(list))
  })
}

void test('a new socket is taken over in place', async (t) => {
  const before = withPlugin('{"plugins": [{"type": "ptp"}]}', entry)
  const moved = `${before.slice(0, -2)}, {"type": "istio-cni"}]}`
  t.equal(
    withPlugin(moved, { ...entry, socket: '/run/x.sock' }),
    '{"plugins": [{"type": "ptp"},{"type": "meshaccel-cni", "socket": "/run/x.sock"}, {"type": "istio-cni"}]}',
  )
})

void test('taken out wherever others have put it, and however often', async (t) => {
  const ours = '{ "type" : "meshaccel-cni", "more": [1] }'
  const lists = [
    [`[${ours}]`, '[]'],
    [`[ ${ours} , {"type":"a"} ]`, '[ {"type":"a"} ]'],
    [`[{"type":"a"}, ${ours}, {"type":"b"}]`, '[{"type":"a"}, {"type":"b"}]'],
    [`[${ours},${ours},{"type":"a"},${ours}]`, '[{"type":"a"}]'],
  ]
  for (const [before, after] of lists) {
    t.equal(withoutPlugin(`{"plugins":${before}}`), `{"plugins":${after}}`)
  }
})

void test('what is no list', async (t) => {
  for (const text of [
    '',
    '[]',
    '{}',
    '{"plugins": {}}',
    '{"plugins": [5]}',
    '{"plugins": [{}],}',
  ]) {
    t.throws(() => withPlugin(text, entry), { code: 'BAD_CNI_CONF' }, text)
  }
  for (const text of ['', '[]', '{}', '{"type": 5}']) {
    t.throws(() => listOf(text), { code: 'BAD_CNI_CONF' }, text)
  }
})

void test('the network that the runtime takes', async (t) => {
  const list = '{"plugins": [{"type": "ptp"}]}'
  const single = '{"type": "ptp"}'
  const files = [
    { name: '20-b.conflist', text: list },
    { name: '10-a.conflist', text: list },
    { name: '05-single.conf', text: single },
    { name: '04-json.json', text: single },
    { name: '03-alone.conflist', text: '{"plugins": [{"type": "meshaccel-cni"}]}' },
    { name: '02-list.conf', text: list },
    { name: '01-empty.conflist', text: '{"plugins": []}' },
    { name: '00-broken.conflist', text: '{"plugins": [' },
    { name: '00-kubeconfig', text: single },
    { name: '.00-a.conflist.meshaccel-1a', text: list },
    { name: '04-a.conf.meshaccel-saved', text: single },
  ]
  const order = ['04-json.json', '05-single.conf', '10-a.conflist', '20-b.conflist']
  for (const [index, name] of order.entries()) {
    const left = files.filter((file) => !order.slice(0, index).includes(file.name))
    t.equal(firstNetwork(left)?.name, name)
  }
  t.equal(firstNetwork(files.filter(({ name }) => !order.includes(name))), undefined)
})

const plugin = fc
  .record({ type: fc.string() })
  .chain((typed) =>
    fc
      .dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true })
      .map((rest) => ({ ...rest, ...typed })),
  )
const space = fc.constantFrom('', ' ', '\t', '\n  ', '\r\n\t')

/** A list in JSON with any space where space may be. */
const anyList = fc
  .tuple(
    fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
    fc.array(plugin, { maxLength: 4 }),
    fc.constantFrom(undefined, 2, '\t'),
    space,
    space,
  )
  .map(([rest, plugins, indent, before, after]) => {
    const { plugins: _, ...others } = rest
    return before + JSON.stringify({ ...others, plugins }, undefined, indent) + after
  })

void test('any list comes back to the byte, and means the same with our entry after the others', async (t) => {
  fc.assert(
    fc.property(anyList, (text) => {
      const chained = withPlugin(text, entry)
      const before: { plugins: unknown[] } = JSON.parse(text)
      const after: unknown = JSON.parse(chained)
      t.strictSame(after, { ...before, plugins: [...before.plugins, entry] })
      t.equal(withPlugin(chained, entry), chained)
      t.equal(withoutPlugin(chained), text)
    }),
    { numRuns: 300 },
  )
})
