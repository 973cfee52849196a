import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { test } from 'tap'
import {
  hasOnlyOurs,
  hasPlugin,
  listFor,
  namesPlugin,
  pluginType,
  withoutPlugin,
  withPlugin,
} from '../../../cni/conflist.ts'
import { packageRoot } from '../../../src/lib/package.ts'

const fixtures = join(packageRoot, 'test/fixtures/cni')
const entry = { type: pluginType } as const
const read = (name: string): string => readFileSync(join(fixtures, name), 'latin1')

for (const name of readdirSync(fixtures).filter((file) => file.endsWith('.before'))) {
  const stem = name.slice(0, -'.before'.length)
  void test(stem, async (t) => {
    const before = read(name)
    const single = stem.endsWith('.conf')
    const after = single ? listFor(before, entry) : withPlugin(before, entry)
    t.equal(after, read(`${stem}.after`), 'the golden file')
    t.equal(withPlugin(after, entry), after, 'once more changes nothing')
    if (!single) t.equal(withoutPlugin(after), before, 'and out again leaves no trace')
    t.ok(hasPlugin(after))
    t.ok(namesPlugin(after))
    t.notOk(hasPlugin(before))
    t.notOk(namesPlugin(before))
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
    '\ufeff{"plugins": []}',
  ]) {
    t.throws(() => withPlugin(text, entry), { code: 'BAD_CNI_CONF', hint: /owner/ }, text)
    t.notOk(hasPlugin(text))
  }
  for (const text of ['', '[]', '{}', '{"type": 5}', '{"type": ""}']) {
    t.throws(() => listFor(text, entry), { code: 'BAD_CNI_CONF' }, text)
  }
})

/** As `depth` levels of objects around the list's plugin. */
const nested = (depth: number): string =>
  `{"plugins": [${'{"type": "a", "b": '.repeat(depth)}1${'}'.repeat(depth)}]}`

void test('as deep as Go reads, and no deeper', async (t) => {
  const deepest = nested(9_998)
  const after = withPlugin(deepest, entry)
  t.ok(hasPlugin(after))
  t.equal(withoutPlugin(after), deepest)
  for (const depth of [9_999, 1_000_000]) {
    const error = { code: 'BAD_CNI_CONF', message: /deeper than 10000 levels/ }
    t.throws(() => withPlugin(nested(depth), entry), error)
    t.notOk(hasPlugin(nested(depth)))
  }
})

void test('bytes that are no UTF-8, lone carriage returns and repeated names stay', async (t) => {
  const lists = [
    '{"plugins": [{"type": "a", "b": "\xff\xc3("}]}',
    '{\r"plugins"\r:\r[\r{"type": "a"}\r]\r}\r',
    '{"plugins": [{"type": "no"}], "plugins": [{"type": "a", "type": "b"}]}',
    '{"plugins" : [{"type": "a", "b": "] \\" \\\\"} , {"TYPE": "c"}], "d": "\\u0022"}',
    '{"\\u0070lugins": [{"type": "a"}]}',
  ]
  for (const text of lists) {
    const after = withPlugin(text, entry)
    t.match(JSON.parse(after).plugins.at(-1), entry, text)
    t.equal(withoutPlugin(after), text)
  }
  t.ok(hasPlugin('{"plugins": [{"Type": "meshaccel-cni"}]}'), 'Go reads a name in any case')
})

void test('a list that has nothing but our entry', async (t) => {
  t.ok(hasOnlyOurs('{"plugins": [{"type": "meshaccel-cni"}]}'))
  for (const plugins of ['[]', '[{"type": "a"}, {"type": "meshaccel-cni"}]']) {
    t.notOk(hasOnlyOurs(`{"plugins": ${plugins}}`))
  }
})

void test('named anywhere', async (t) => {
  t.ok(namesPlugin('{"delegates": [{"plugins": [{"type": "meshaccel-cni"}]}]}'))
  t.ok(namesPlugin('not JSON, but "meshaccel-cni" is in it'))
  t.ok(namesPlugin('{"type": "\\u006deshaccel-cn\\u0069"}'))
  t.notOk(namesPlugin('{"log": "/var/log/meshaccel-cni.log", "x": "\\u006d"}'))
})

void test('the list for a single plugin follows it, and keeps what others have added', async (t) => {
  const single = '{"cniVersion": "1.0.0", "name": "pods", "type": "ptp"}'
  const list = listFor(single, entry)
  t.equal(listFor(single, entry, list), list)
  // As Istio and Linkerd do, with another layout.
  const parsed: { plugins: object[] } = JSON.parse(list)
  const joined = JSON.stringify({ ...parsed, plugins: [...parsed.plugins, { type: 'istio-cni' }] })
  t.equal(listFor(single, entry, joined), joined, 'it means the same')
  const renewed = single.replace('}', ', "mtu": 9000}')
  t.match(JSON.parse(listFor(renewed, entry, joined)), {
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [{ type: 'ptp', mtu: 9000 }, { type: 'istio-cni' }, entry],
  })
  for (const broken of ['', '{}', '{"plugins": 5}']) t.equal(listFor(single, entry, broken), list)
  for (const other of [single.replace('pods', 'net'), single.replace('1.0.0', '0.4.0')]) {
    const { cniVersion, name } = JSON.parse(other)
    t.match(JSON.parse(listFor(other, entry, list)), { cniVersion, name })
  }
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
    const text = before + JSON.stringify({ ...others, plugins }, undefined, indent) + after
    return Buffer.from(text).toString('latin1')
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
