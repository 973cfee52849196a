import { deepStrictEqual } from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { stringify } from 'yaml'
import { podKey } from '../../../../src/pods/observed-pod.ts'
import { PodsFileError } from '../../../../src/sources/file/pods-file-error.ts'
import { parsePodsFile } from '../../../../src/sources/file/pods-file.ts'

const parse = (text: string): ReturnType<typeof parsePodsFile> => parsePodsFile(text, 'pods.yaml')

void test('reads every field', async (t) => {
  const text = `# two pods
pods:
  - namespace: shop
    name: cart-0
    netns: /run/netns/cart
    mesh: istio
    enabled: true
  - namespace: shop
    name: web-0.a
    pid: 1234
    proxyUid: 4000
    proxyGid: 4001
    blockingReaders: accelerate
    guard: 2.5%
    exclude:
      ports: [22, 8000-8999]
      cidrs: [10.0.0.0/8, "::1"]
  - {namespace: shop, name: web-1, pid: 1, guard: 10, exclude: {uids: [0], ports: []}}
  - {namespace: shop, name: web-2, pid: 1, guard: off, exclude: {}, blockingReaders: leave}
`
  t.strictSame(parse(text), [
    {
      namespace: 'shop',
      name: 'cart-0',
      netns: { path: '/run/netns/cart' },
      mesh: 'istio',
      enabled: true,
    },
    {
      namespace: 'shop',
      name: 'web-0.a',
      netns: { pid: 1234 },
      proxyUid: 4000,
      proxyGid: 4001,
      blockingReaders: 'accelerate',
      guard: 2.5,
      exclusions: {
        ports: [
          { from: 22, to: 22 },
          { from: 8000, to: 8999 },
        ],
        cidrs: ['10.0.0.0/8', '::1/128'],
        uids: [],
      },
    },
    {
      namespace: 'shop',
      name: 'web-1',
      netns: { pid: 1 },
      guard: 10,
      exclusions: { ports: [], cidrs: [], uids: [0] },
    },
    { namespace: 'shop', name: 'web-2', netns: { pid: 1 }, blockingReaders: 'leave', guard: 0 },
  ])
  t.strictSame(parse('pods: []'), [])
})

const pod = 'namespace: a, name: b, netns: /n'
const bad: readonly (readonly [what: string, text: string, message: string])[] = [
  ['nothing', '', '1:1: `pods` is missing'],
  ['only a comment', '# pods\n', '1:1: `pods` is missing'],
  ['a list at the top', '- a\n', '1:1: `pods` is missing'],
  ['no list', 'pods: 7', '1:7: `pods` must be a list, not 7'],
  ['an empty value', 'pods:', '1:6: `pods` must be a list, not nothing'],
  ['a pod of text', 'pods: [x]', '1:8: a pod must be a map, not the text `x`'],
  ['an unknown field at the top', 'pods: []\npod: 1', '2:1: unknown field `pod`'],
  ['an unknown field', `pods:\n- {${pod}, enabeld: true}`, '2:38: unknown field `enabeld`'],
  ['a key that is no text', `pods:\n- {${pod}, [a]: 1}`, '2:38: unknown field'],
  ['no namespace', 'pods: [{name: b, netns: /n}]', '1:8: `namespace` is missing'],
  ['no name', 'pods: [{namespace: a, netns: /n}]', '1:8: `name` is missing'],
  ['a name of digits', 'pods: [{namespace: 7, name: b}]', '1:20: `namespace` must be text, not 7'],
  ['a name with blanks', 'pods: [{namespace: A b, name: b}]', '1:20: `namespace` is not a name'],
  ['no place', 'pods: [{namespace: a, name: b}]', '1:8: `netns` or `pid` is missing'],
  ['two places', `pods: [{${pod}, pid: 1}]`, '1:48: `netns` and `pid` exclude each other'],
  [
    'a relative path',
    'pods: [{namespace: a, name: b, netns: n}]',
    '1:39: `netns` must be an absolute path',
  ],
  [
    'pid 0',
    'pods: [{namespace: a, name: b, pid: 0}]',
    '1:37: `pid` must be a whole number from 1 to 4194304, not 0',
  ],
  ['half a pid', 'pods: [{namespace: a, name: b, pid: 1.5}]', '1:37: `pid` must be a whole number'],
  ['an unknown mesh', `pods: [{${pod}, mesh: kuma}]`, '1:49: unknown mesh `kuma`'],
  [
    'yes',
    `pods: [{${pod}, enabled: yes}]`,
    '1:52: `enabled` must be true or false, not the text `yes`',
  ],
  [
    'another word',
    `pods: [{${pod}, blockingReaders: accelerated}]`,
    '1:60: `blockingReaders` must be accelerate or leave, not `accelerated`',
  ],
  [
    'yes for a word',
    `pods: [{${pod}, blockingReaders: true}]`,
    '1:60: `blockingReaders` must be text, not true',
  ],
  [
    'a guard without a limit',
    `pods: [{${pod}, guard: true}]`,
    '1:50: `guard` must be a percentage such as "10%", or "off", not true',
  ],
  [
    '(uid_t)-1',
    `pods: [{${pod}, proxyUid: 4294967295}]`,
    '1:53: `proxyUid` must be a whole number',
  ],
  ['no rules', `pods: [{${pod}, exclude: 80}]`, '1:52: `exclude` must be a map, not 80'],
  ['an unknown rule', `pods: [{${pod}, exclude: {port: 1}}]`, '1:53: unknown field `port`'],
  ['one port', `pods: [{${pod}, exclude: {ports: 80}}]`, '1:60: `ports` must be a list, not 80'],
  [
    'a port by name',
    `pods: [{${pod}, exclude: {ports: [80, http]}}]`,
    '1:65: the text `http` is not a port or a range of ports',
  ],
  [
    'a long prefix',
    `pods: [{${pod}, exclude: {cidrs: [10.0.0.0/33]}}]`,
    '1:61: the text `10.0.0.0/33` is not an address or a CIDR',
  ],
  [
    'a rule that is a list',
    `pods: [{${pod}, exclude: {uids: [[0]]}}]`,
    '1:60: a list is not a uid',
  ],
  ['a uid of 1.5', `pods: [{${pod}, exclude: {uids: [1.5]}}]`, '1:60: 1.5 is not a uid'],
  [
    'too many rules',
    `pods: [{${pod}, exclude: {uids: [${'7,'.repeat(33)}]}}]`,
    '1:124: `uids` has more than 32 rules',
  ],
  ['a pod twice', `pods:\n- {${pod}}\n- {${pod}, enabled: true}`, '3:3: duplicate pod a/b'],
  ['a field twice', `pods:\n- {${pod}, name: c}`, '2:38: not YAML: Map keys must be unique'],
  [
    'an alias',
    'pods: [{namespace: &x a, name: *x, netns: /n}]',
    '1:32: `name` must be text, not an alias',
  ],
  ['no YAML', 'pods: [\n  {', '2:'],
  ['two documents', 'pods: []\n---\npods: []', '2:1: not YAML'],
  ['a tag', 'pods: !pods []', '1:7: not YAML: Unresolved tag'],
]
for (const [what, text, message] of bad) {
  void test(`refuses ${what}`, async (t) => {
    const error = t.throws(() => parse(text), PodsFileError)
    t.match(error, { code: 'BAD_PODS_FILE' })
    if (error instanceof Error) t.match(error.message, `read pods file pods.yaml:${message}`)
    if (error instanceof Error) t.notMatch(error.message, '\n', 'is one line')
  })
}

function parsesOrSaysWhy(text: string): void {
  try {
    parse(text)
  } catch (error) {
    if (!(error instanceof PodsFileError)) throw error
  }
}

void test('throws nothing but its own error', async () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), parsesOrSaysWhy))
  const tokens =
    'pods:| |\n|- |{|}|[|]|: |,|name|netns|&a|*a|!!map|"|\'|>|? |---|%|\t|/n|1|<<|#|\0'.split('|')
  const token = fc.constantFrom(...tokens)
  fc.assert(
    fc.property(
      fc.array(token, { maxLength: 40 }).map((chosen) => chosen.join('')),
      parsesOrSaysWhy,
    ),
    { numRuns: 2_000 },
  )
})

void test('throws nothing but its own error on YAML of any shape', async () => {
  const field = fc.constantFrom('namespace', 'name', 'netns', 'pid', 'mesh', 'enabled', 'exclude')
  const shape = fc.record({ pods: fc.array(fc.dictionary(field, fc.jsonValue({ maxDepth: 2 }))) })
  fc.assert(
    fc.property(shape, (value) => {
      parsesOrSaysWhy(stringify(value))
    }),
  )
})

void test('reads back what was written', async () => {
  const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?$/)
  const pods = fc.uniqueArray(
    fc.record(
      {
        namespace: name,
        name,
        netns: fc.stringMatching(/^\/[ -~]{0,20}$/),
        mesh: fc.constantFrom('istio', 'linkerd', 'ambient'),
        proxyUid: fc.nat(),
        proxyGid: fc.nat(),
        enabled: fc.boolean(),
        blockingReaders: fc.constantFrom('accelerate', 'leave'),
      },
      { requiredKeys: ['namespace', 'name', 'netns'], noNullPrototype: true },
    ),
    { selector: podKey },
  )
  fc.assert(
    fc.property(pods, (written) => {
      deepStrictEqual(
        parse(stringify({ pods: written })),
        written.map((entry) => ({ ...entry, netns: { path: entry.netns } })),
      )
    }),
    { numRuns: 50 },
  )
})
