import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import tap, { type Test } from 'tap'
import {
  bpf2ts,
  type Bpf2tsOptions,
  type DescribedMap,
  type Layout,
  structLayout,
} from '../src/index.ts'
import { compileFixture, loadWith } from './fixture.ts'
import { requireRoot } from './requirements.ts'

const command = new URL('../src/bin/bpf2ts.ts', import.meta.url).pathname
const library = new URL('../', import.meta.url).pathname

type Shape = Record<string, unknown>

/** The module, as TypeScript that was written into a file beside which there is the library. */
async function load(t: Test, text: string): Promise<Record<string, unknown>> {
  const directory = mkdtempSync(join(tmpdir(), 'bpf2ts-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  execFileSync('mkdir', [join(directory, 'node_modules')])
  symlinkSync(library, join(directory, 'node_modules/libbpf'))
  const file = join(directory, 'module.ts')
  writeFileSync(file, text)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a module is a record of what it exports
  return (await import(pathToFileURL(file).href)) as Record<string, unknown>
}

const camelCase = (name: string): string =>
  name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase())

if (requireRoot(tap)) {
  const object = compileFixture(tap, 'shapes')
  const everyShape: Bpf2tsOptions = {
    maps: ['shapes', 'sized', 'ring'],
    enums: ['colour', 'weight'],
    bigEndian: ['shape.marked'],
    bytes: ['words'],
  }

  void tap.test('members lie where the compiler put them', async (t) => {
    const module = await load(t, bpf2ts(object, everyShape))
    for (const name of ['shape', 'inner', 'packed']) {
      const { size, members } = structLayout(object, name)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every exported codec has a layout
      const codec = module[name] as Layout
      t.equal(codec.size, size, name)
      const { pad: _, padding: __, v4: ___, v6, ...others } = members
      const expected = Object.entries({ ...others, ...(v6 && { v4_or_v6: v6 }) })
      t.strictSame(
        codec.members,
        Object.fromEntries(expected.map(([member, place]) => [camelCase(member), place])),
      )
    }
  })

  void tap.test('a program reads what was written, and the other way round', async (t) => {
    const module = await load(t, bpf2ts(object, everyShape))
    using loaded = loadWith(object, 'swap')
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the fixture's map
    const shapesMap = module['shapesMap'] as DescribedMap<Shape, Shape>
    using shapes = shapesMap.of(loaded)
    const key = { port: 1, flags: 2 }
    const sample = {
      netnsCookie: 1n << 60n,
      drift: -3n,
      change: -2,
      address: 0x0a000001,
      port: 443,
      marked: 80,
      small: -300,
      tiny: -5,
      isOpen: true,
      colour: 1,
      weight: 0xffffffff,
      inner: { port: 9, flags: 1 },
      pair: [
        { port: 1, flags: 2 },
        { port: 3, flags: 4 },
      ],
      grid: [
        [1, 2, 3],
        [4, 5, 6],
      ],
      raw: Uint8Array.of(1, 2, 3, 4, 5, 6),
      comm: 'envoy',
      words: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4),
      packed: { tag: 1, word: 77 },
      low: 11,
      high: 12,
      unnamed: { first: 13 },
      v4OrV6: Uint8Array.from({ length: 16 }, (_, index) => index + 1),
      choice: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
      where: 21n,
      last: 22,
    }
    shapes.update(key, sample)
    t.strictSame(shapes.lookup(key), sample, 'what is written is read again')
    // A key of four bytes: port, flags, and one of padding.
    t.equal(loaded.program('swap').run(Uint8Array.of(1, 0, 2, 0)), 0, 'the program has read it')
    t.strictSame(shapes.lookup(key), {
      ...sample,
      drift: 5n,
      address: 0x7f000006,
      marked: 8080,
      weight: 7,
      pair: [{ port: 43, flags: 2 }, sample.pair[1]],
      grid: [[1, 2, 42], sample.grid[1]],
      packed: { tag: 1, word: 0xffffffff },
      low: 44,
      last: 45,
    })
  })

  void tap.test('the names of enums, and maps', async (t) => {
    const module = await load(t, bpf2ts(object, everyShape))
    t.strictSame(module['colourNames'], ['red', 'dark-blue'], 'the last one only counts the others')
    t.match(module['weightValues'], { heavy: 7 })
    t.match(module['shapesMap'], { name: 'shapes', type: 'HASH', maxEntries: 8 })
    t.match(module['sizedMap'], { type: 'ARRAY', key: { size: 4 }, value: { size: 12 } })
    t.strictSame(module['ringMap'], { name: 'ring', type: 'RINGBUF', maxEntries: 4096 })
  })

  void tap.test('what is written can be read by people', async (t) => {
    const text = bpf2ts(object, everyShape)
    t.equal(bpf2ts(object, everyShape), text, 'and is the same each time')
    t.match(text, /^\/\/ Generated from BTF, by\n\/\/ {5}bpf2ts .*\/shapes.bpf.o\n/)
    t.match(text, /export interface InnerRecord \{\n {2}port: number\n {2}flags: number\n\}/)
    t.match(text, /unnamed: \[130, struct\(\{ first: u8 \}\)\]/)
  })

  void tap.test(
    'without names everything is written that maps and globals are made of',
    async (t) => {
      const text = bpf2ts(compileFixture(t, 'basics'))
      t.match(text, /struct entry, \d+ bytes/)
      t.match(text, /export const reasonValues = \{\n {2}none: 0,\n {2}cap: 1,\n {2}state: 7,\n\}/)
      t.match(text, /export const socketsMap: DescribedMap<bigint, bigint>/)
      t.match(text, /export const eventsMap = \{/)
    },
  )

  void tap.test('what has no codec is refused, and it is said where it is', async (t) => {
    const refusal = (options: Bpf2tsOptions, code: string, message: RegExp): void => {
      t.throws(() => bpf2ts(object, options), { code, message }, code)
    }
    refusal({ structs: ['bits'] }, 'BIT_FIELD', /^write bits\.low: it is a bit field/)
    refusal({ structs: ['floating'] }, 'NO_CODEC', /^write floating\.value: double has no codec/)
    refusal({ structs: ['twice'] }, 'NAME_CLASH', /two fields would be called oneName/)
    refusal({ structs: ['nothing'] }, 'NO_SUCH_TYPE', /find type nothing/)
    refusal({ enums: ['shape'] }, 'NO_SUCH_TYPE', /find type shape/)
    refusal({ maps: ['none'] }, 'NO_SUCH_MAP', /find map none/)
    refusal({ structs: ['inner'], bigEndian: ['prot'] }, 'NO_SUCH_FIELD', /called prot$/)
    refusal({ structs: ['inner'], bytes: ['shape.port'] }, 'NO_SUCH_FIELD', /called shape\.port$/)
    t.match(bpf2ts(object, { structs: ['floating'], bytes: ['value'] }), /value: bytes\(8\)/)
  })

  void tap.test('the command', async (t) => {
    const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(process.execPath, ['--import=tsx', command, ...args], { encoding: 'utf8' })
    const { status, stdout } = run(
      object,
      '--map',
      'shapes',
      '--be',
      'shape.marked',
      '--enum',
      'colour',
    )
    t.equal(status, 0)
    const written = bpf2ts(object, {
      maps: ['shapes'],
      enums: ['colour'],
      bigEndian: ['shape.marked'],
    })
    t.equal(withoutHead(stdout), withoutHead(written))
    t.match(run(object, '--struct', 'bits'), {
      status: 1,
      stdout: '',
      stderr: /bits\.low.*\n {2}Make it/,
    })
    t.match(run(), { status: 2, stderr: /name one object/ })
    t.match(run(object, '--structs', 'inner'), { status: 2, stderr: /unknown option --structs/ })
    t.match(run('--help'), { status: 0, stdout: /^bpf2ts OBJECT/ })
  })
}

const withoutHead = (text: string): string => text.replace(/^(?:\/\/.*\n)+/, '')
