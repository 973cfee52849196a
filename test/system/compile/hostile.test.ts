import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { uidOf } from '../../../src/compile/sandbox.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { mutations } from './mutations.ts'
import { noneLeft } from './sandboxed.ts'
import { Serving } from './serving.ts'

/** Sources that try to get at what is not theirs, and what the compiler says. */
const refused: Readonly<Record<string, RegExp>> = {
  '#include "/etc/passwd"': /file not found/,
  '#include </etc/shadow>': /file not found/,
  '#include "../etc/passwd"': /file not found/,
  '#include "/dev/zero"': /file not found/,
  '#include "/dev/stdin"': /file not found/,
  '#include "/proc/self/environ"': /file not found/,
  '#include "/proc/1/fd/0"': /file not found/,
  '#include "/usr"': /file not found|is a directory|error/i,
  '__asm__(".incbin \\"/etc/passwd\\"");': /Could not find incbin file/,
  '__asm__(".incbin \\"/proc/self/mem\\"");': /Could not find incbin file/,
  '__asm__(".include \\"/etc/hostname\\"");': /Could not find include file/,
  '#pragma clang module import "/etc/passwd"': /error|warning/,
  '_Pragma("clang system_header") #include "/etc/group"': /error/,
}

/** MESHACCEL_MUTATIONS=500 tries more of them. */
const count = Number(process.env['MESHACCEL_MUTATIONS'] ?? 60)

const limits = { cpuSeconds: 2, memoryBytes: 512 << 20, stdoutBytes: 1 << 20 }

/** Sources that would not end, or not fit. */
const endless: Readonly<Record<string, string>> = {
  'a source that includes itself twice': '#include __FILE__\n#include __FILE__\n',
  'a macro that doubles': `#define A(x) x,x,x,x,x,x,x,x,x,x
#define B(x) A(A(A(A(A(x)))))
int all[] = { B(B(1)) };`,
  'a large array': 'char large[1 << 30] = { 1 };',
  'a large fill': '__asm__(".fill 2000000000, 1, 65");',
  'an assembler loop': '__asm__(".rept 2000000000\\n.byte 1\\n.endr");',
  'assembler macros': '__asm__(".macro m\\nm\\nm\\n.endm\\nm");',
}

void test('hostile sources get an answer, and nothing else', async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start({ limits, jobs: 1 })
  const key = join(serving.directory, 'certificates/localhost.key')
  const sources = {
    ...refused,
    [`#include "${key}"`]: /file not found/,
    [`__asm__(".incbin \\"${key}\\"");`]: /Could not find incbin file/,
  }
  for (const [source, said] of Object.entries(sources)) {
    const { ok, object, diagnostics } = await serving.compile(`${source}\n`)
    t.notOk(ok && !/pragma/.test(source), source)
    t.match(diagnostics, said, source)
    t.notMatch(diagnostics + Buffer.from(object).toString('latin1'), /root:|PRIVATE KEY/, source)
  }
  for (const [what, source] of Object.entries(endless)) {
    const { ok, diagnostics } = await serving.compile(source)
    t.notOk(ok, what)
    t.not(diagnostics, '', what)
  }
  // A section of types that is none, for bpf2ts and bpftool.
  const forged = await serving.compile('__asm__(".section .BTF; .fill 40000, 1, 65"); int x;')
  t.match(forged, { ok: true, types: '', notes: [/There are no types/] })
  t.match(await serving.compile('int x;'), { ok: true }, 'the server stays')
  for (let slot = 0; slot < 16; slot++) await noneLeft(uidOf(slot))
})

void test('mutated sources do not hurt', async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start({ limits })
  const before = readdirSync('/proc/self/fd').length
  let compiled = 0
  for (const source of mutations(1, count)) {
    const { ok, diagnostics, object } = await serving.compile(source)
    if (ok !== object.length > 0) t.fail(`${ok}, ${object.length} bytes: ${source.toString()}`)
    if (!ok && diagnostics === '') t.fail(`no diagnostics: ${source.toString()}`)
    if (ok) compiled += 1
  }
  t.ok(compiled > 0 && compiled < count, `${compiled} of ${count} compile`)
  t.match(await serving.compile('int x;'), { ok: true }, 'the server stays')
  t.ok(readdirSync('/proc/self/fd').length <= before + 8, 'descriptors are given back')
})
