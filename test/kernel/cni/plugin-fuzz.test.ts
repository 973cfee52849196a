import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { t as file, test, type Test } from 'tap'
import { runPluginSync } from '../../helpers/cni-plugin.ts'

const sources = fileURLToPath(new URL('../../../cni/shim', import.meta.url))

const directory = mkdtempSync(join(tmpdir(), 'plugin-'))
file.teardown(() => rmSync(directory, { recursive: true }))

/** The plugin with checks of every access and every undefined operation. The optimizer would remove some of these. */
const program = sanitized(join(directory, 'plugin'))

function sanitized(output: string): string {
  const files = readdirSync(sources)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(sources, name))
  const flags = ['-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all']
  const { status, stderr } = spawnSync('gcc', [...flags, '-o', output, ...files])
  if (status !== 0) throw new Error(`gcc failed: ${stderr.toString()}`)
  return output
}

/** The plugin's expected output, by JSON.parse; undefined if it must refuse. */
function expected(
  text: string,
): { readonly version: unknown; readonly result: unknown } | undefined {
  try {
    const conf: unknown = JSON.parse(text)
    if (typeof conf !== 'object' || conf === null || Array.isArray(conf)) return undefined
    const { cniVersion, prevResult }: { cniVersion?: unknown; prevResult?: unknown } = conf
    const version = typeof cniVersion === 'string' ? cniVersion : '1.1.0'
    const isObject =
      typeof prevResult === 'object' && prevResult !== null && !Array.isArray(prevResult)
    return { version, result: isObject ? prevResult : undefined }
  } catch {
    return undefined
  }
}

/** Differs from the plugin's own exit codes. The plugin never frees its input, on purpose. */
const environment = {
  ASAN_OPTIONS: 'exitcode=99:detect_leaks=0',
  UBSAN_OPTIONS: 'exitcode=99:print_stacktrace=1',
}

function check(t: Test, input: Buffer): void {
  const { code, stdout, stderr } = runPluginSync({ program, environment, command: 'ADD', input })
  if (code !== 0 && code !== 1) throw new Error(`exit ${code}: ${stderr}`)
  const text = input.toString()
  const wanted = expected(text)
  if ((code === 0) !== (wanted !== undefined)) {
    throw new Error(`exit ${code}, but JSON.parse has it otherwise: ${JSON.stringify(text)}`)
  }
  if (!wanted) return
  if (wanted.result === undefined) {
    t.strictSame(JSON.parse(stdout), { cniVersion: wanted.version })
  } else {
    t.ok(text.includes(stdout.slice(0, -1)), 'byte for byte')
    t.strictSame(JSON.parse(stdout), wanted.result)
  }
}

const names = fc.constantFrom('prevResult', 'cniVersion', 'socket', 'plugins', '')
const string = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '}', ']', '\n', '\u00e9', '\u{1f600}'),
})
const conf = fc
  .dictionary(fc.oneof(names, string), fc.oneof(fc.jsonValue(), string), { noNullPrototype: true })
  // The plugin would wait for an agent elsewhere.
  .map(({ socket: _, ...rest }) => ({ ...rest, socket: '/nonexistent/cni.sock' }))
const text = fc
  .tuple(conf, fc.constantFrom(undefined, 1, '\t', '\r\n '))
  .map(([value, space]) => JSON.stringify(value, undefined, space))

/** Names in an unusual but valid form. */
const escaped = text.map((json) => json.replaceAll('prevResult', 'prev\\u0052esul\\u0074'))

const mutated = fc
  .tuple(
    text,
    fc.array(fc.tuple(fc.nat(), fc.constantFrom('cut', 'insert', 'flip'), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([json, edits]) => {
    let bytes = Buffer.from(json)
    for (const [where, edit, byte] of edits) {
      const at = where % (bytes.length + 1)
      const rest = bytes.subarray(edit === 'insert' ? at : at + 1)
      const middle =
        edit === 'cut'
          ? []
          : [Buffer.of(edit === 'flip' ? (bytes[at] ?? 0) ^ (1 << (byte % 8)) : byte)]
      bytes = Buffer.concat([bytes.subarray(0, at), ...middle, rest])
    }
    return bytes
  })
// An edit may change the socket's name. Then the default applies, and no agent serves it here either.

const properties = {
  'JSON of every kind': text.map((json) => Buffer.from(json)),
  'escaped names': escaped.map((json) => Buffer.from(json)),
  'edited JSON': mutated,
  'any bytes': fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
}

for (const [name, inputs] of Object.entries(properties)) {
  void test(name, async (t) => {
    fc.assert(
      fc.property(inputs, (input) => check(t, input)),
      { numRuns: 200 },
    )
    t.pass(name)
  })
}

const deep = (depth: number): string => `{"a": ${'['.repeat(depth)}${']'.repeat(depth)}}`
const long = (bytes: number): string => `{"a": "${'x'.repeat(bytes - '{"a": ""}'.length)}"}`

/** An example of each JSON type. */
const rich =
  '{"socket": "/nonexistent/cni.sock", "prevResult": {"old": 1}, "cniVersion": "0.4.0", "cniVersion": "1.0.0", ' +
  '"a": [true, false, null, -0.5e+10, 1E-2, 0, "\\u00e9\\n\\/\\\\\\""], "prevResult": {"b": [{}, []], "\u00e9": "}"}}'

void test('cut short anywhere; and the last of a name counts', async (t) => {
  const bytes = Buffer.from(rich)
  for (let length = 0; length <= bytes.length; length++) {
    check(t, bytes.subarray(0, length))
  }
  t.match(runPluginSync({ program, environment, command: 'ADD', input: rich }), {
    code: 0,
    stdout: '{"b": [{}, []], "\u00e9": "}"}\n',
  })
})

void test('the deepest and the longest', async (t) => {
  t.equal(runPluginSync({ program, environment, command: 'ADD', input: deep(10_000) }).code, 0)
  t.equal(runPluginSync({ program, environment, command: 'ADD', input: deep(10_001) }).code, 1)
  t.equal(runPluginSync({ program, environment, command: 'ADD', input: long(4 << 20) }).code, 0)
  t.equal(
    runPluginSync({ program, environment, command: 'ADD', input: long((4 << 20) + 1) }).code,
    1,
  )
})
