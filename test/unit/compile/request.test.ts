import { test } from 'tap'
import { checkRequest } from '../../../src/compile/request.ts'
import type { CompileRequest } from '../../../src/compile/wire.ts'

const content = Buffer.from('int x;\n')
const file = { name: 'x.bpf.c', content }
const check = (request: CompileRequest): unknown => checkRequest(request, 'x86_64')

void test('a request becomes a job', async (t) => {
  t.strictSame(check({ source: { file } }), {
    input: { file, headers: [] },
    machine: 'x86_64',
    release: undefined,
    btf: undefined,
  })
  const btf = Buffer.from('BTF')
  const target = { machine: 'aarch64', release: '6.12.9+deb13-cloud-arm64', btf }
  t.strictSame(check({ source: null, object: 'measure', target }), {
    input: { object: 'measure' },
    ...target,
  })
  t.match(check({ source: { file, headers: [{ name: 'own.h', content }] } }), {
    input: { headers: [{ name: 'own.h' }] },
  })
})

void test('names that would be paths, options or hidden files are refused', async (t) => {
  const names = [
    '../x.c',
    '/etc/passwd',
    '/x.c',
    'a/../../x.c',
    '..c',
    '.c',
    '-o.c',
    'x.c\n',
    'x\0.c',
    'x.h',
    'x',
    '',
    'x y.c',
    `${'x'.repeat(101)}.c`,
    'ü.c',
  ]
  for (const name of names) {
    const refused = { code: 'BAD_REQUEST' }
    t.throws(() => check({ source: { file: { name, content } } }), refused, JSON.stringify(name))
  }
  for (const name of [
    '../vmlinux.h',
    '/usr/include/bpf/bpf_helpers.h',
    'bpf/bpf_helpers.h',
    'x.c',
  ]) {
    t.throws(() => check({ source: { file, headers: [{ name, content }] } }), {
      code: 'BAD_REQUEST',
    })
  }
  for (const release of ['../6.12', '..', '6.12/x', '.hidden', ' ', '6.12\n']) {
    t.throws(
      () => check({ source: { file }, target: { release } }),
      { code: 'BAD_REQUEST' },
      release,
    )
  }
})

void test('other nonsense is refused', async (t) => {
  const header = { name: 'x.h', content }
  const requests: CompileRequest[] = [
    {},
    { source: null },
    { source: {} },
    { object: '../bpf' },
    { object: 'toString' },
    { source: { file }, target: { machine: 'riscv64' } },
    { source: { file, headers: [header, header] } },
    { source: { file: { name: 'x.c', content: Buffer.alloc((4 << 20) + 1) } } },
    {
      source: {
        file,
        headers: Array.from({ length: 65 }, (_, at) => ({ name: `${at}.h`, content })),
      },
    },
  ]
  for (const request of requests) t.throws(() => check(request), { code: 'BAD_REQUEST' })
})
