import { Client, credentials, Metadata, status } from '@grpc/grpc-js'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'tap'
import { BpfObject, struct, u32, u64, bytes } from 'libbpf'
import { CompileClient } from '../../../src/compile/client.ts'
import { loadCompilerService } from '../../../src/compile/wire.ts'
import { createCertificates } from '../../../bench/proxies/certificates.ts'
import { readIdentity } from '../../../src/compile/tls.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { until } from '../../helpers/retry.ts'
import { filesIn, program, request, Serving } from './serving.ts'

const kernelBtf = '/sys/kernel/btf/vmlinux'

void test('an answer is loaded as it comes', async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start()
  const btf = readFileSync(kernelBtf)
  const answer = await serving.compile(program, { target: { btf } })
  t.equal(answer.diagnostics, '')
  t.match(answer, { ok: true, cached: false, notes: [], compiler: /clang version/ })
  t.ok(answer.btf.length > 0 && answer.btf.length < 10_000, `${answer.btf.length} bytes of BTF`)
  t.match(answer.types, /export const seenMap: DescribedMap<number, SeenRecord>/)

  using open = BpfObject.open(answer.object, { name: 'x', btf: answer.btf })
  using object = open.load()
  using seen = object.map('seen', u32, struct({ runs: u64, kind: u32, padding: bytes(4) }))
  object.program('count').run(new Uint8Array(0))
  t.match(seen.lookup(0), { runs: 1n, kind: process.pid })

  const again = await serving.compile(program, { target: { btf } })
  t.strictSame(again, { ...answer, cached: true })
  const other = await serving.compile(program, { target: { btf, machine: 'aarch64' } })
  t.match(other, { ok: true, cached: false })
})

void test('meshaccel compile writes the files of the answer', async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start()
  const source = serving.write('opens.bpf.c', `#include "own.h"\n${program}`)
  const header = serving.write('own.h', '#define OWN 1\n')
  const out = join(serving.directory, 'out')
  const done = await serving.command(source, '--header', header, '--btf', kernelBtf, '-o', 'json')
  t.match(done, { code: 0, stderr: '' })
  t.match(JSON.parse(done.stdout), {
    ok: true,
    object: { path: join(out, 'opens.bpf.o'), bytes: Number },
    btf: { path: join(out, 'opens.btf') },
    types: { path: join(out, 'opens.ts') },
    diagnostics: '',
    cached: false,
  })
  using open = BpfObject.open(join(out, 'opens.bpf.o'), { btfPath: join(out, 'opens.btf') })
  open.load()[Symbol.dispose]()

  const wrong = serving.write('wrong.bpf.c', 'int f(void) { return nothing; }\n')
  const failed = await serving.command(wrong)
  t.match(failed, { code: 1, stdout: '', stderr: /wrong\.bpf\.c:1:\d+: error: use of undeclared/ })
  const json = await serving.command(wrong, '-o', 'json')
  t.match(json, { code: 1, stderr: '' })
  t.match(JSON.parse(json.stdout), { ok: false, diagnostics: /undeclared/ })
  t.match(await serving.command(wrong, '--release', '2.6.32'), {
    code: 1,
    stderr: /the server has no BTF of Linux 2\.6\.32 \(x86_64|aarch64\)\n {2}Send it: --btf FILE/,
  })
  t.match(await serving.command(wrong, '--object', 'measure'), { code: 2 })
  t.match(await serving.command('nowhere.c'), { code: 1, stderr: /read nowhere\.c: ENOENT/ })
})

void test("meshaccel's own objects", async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start()
  const { code, stdout } = await serving.command('--object', 'measure', '--btf', kernelBtf)
  t.equal(code, 0)
  t.match(stdout, /measure\.bpf\.o .*\n.*measure\.btf .*\n.*measure\.ts /)
  using open = BpfObject.open(join(serving.directory, 'out/measure.bpf.o'))
  t.ok(open.programNames.length > 0)
})

void test('a BTF that is none is the fault of the request', async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start()
  const junk = [Buffer.from('junk'), readFileSync(kernelBtf).subarray(0, 100_000)]
  for (const btf of junk) {
    await t.rejects(serving.compile(program, { target: { btf } }), {
      code: 'BAD_BTF',
      operation: 'read the BTF of the request',
    })
  }
})

void test('only clients of the authority get in', async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start()
  const { ca, cert, key } = serving.identity()
  const ask = async (channel: ReturnType<typeof credentials.createSsl>): Promise<unknown> => {
    const client = new Client(serving.address, channel)
    const method = loadCompilerService()['Compile']
    if (!method) throw new Error('no method')
    const { path, requestSerialize, responseDeserialize } = method
    try {
      return await new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request('int x;', 'x.c'),
          new Metadata(),
          { deadline: Date.now() + 30_000 },
          (error, response) => {
            if (error) reject(error)
            else resolve(response)
          },
        )
      })
    } finally {
      client.close()
    }
  }
  t.match(await ask(credentials.createSsl(ca, key, cert)), { ok: true })
  const away = { code: status.UNAVAILABLE }
  await t.rejects(ask(credentials.createSsl(ca)), away, 'no certificate')
  await t.rejects(ask(credentials.createInsecure()), away, 'no TLS')

  const foreign = t.testdir()
  createCertificates(foreign, ['client'])
  const stranger = readIdentity(filesIn(foreign, 'client'))
  await t.rejects(ask(credentials.createSsl(ca, stranger.key, stranger.cert)), away, 'a stranger')
  using distrustful = new CompileClient(serving.address, stranger)
  await t.rejects(distrustful.compile(request('int x;', 'x.c'), 30_000), {
    code: 'SERVER_UNREACHABLE',
    hint: /--ca/,
  })
  // The certificate names localhost, and not the address.
  using byAddress = new CompileClient(`127.0.0.1:${serving.port}`, serving.identity())
  await t.rejects(byAddress.compile(request('int x;', 'x.c'), 30_000), {
    code: 'SERVER_UNREACHABLE',
    message: /127\.0\.0\.1/,
  })
})

void test('requests that cannot be meant are refused, and the server stays', async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start()
  for (const name of ['../../etc/passwd.c', '/x.c', '-o.c']) {
    await t.rejects(serving.compile('int x;', { name }), { code: 'BAD_REQUEST' }, name)
  }
  await t.rejects(serving.compile(Buffer.alloc((4 << 20) + 1, ' ')), { code: 'BAD_REQUEST' })
  // The client has a limit of its own, so that it does not even send this.
  const tooLarge = { target: { btf: Buffer.alloc(33 << 20) } }
  await t.rejects(serving.compile('int x;', tooLarge), { code: 'SERVER_FAILED' })
  t.match(await serving.compile('int x;'), { ok: true })
})

void test('a full queue sends clients away with a hint', async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start({ jobs: 1, queue: 1 })
  const sources = ['int a;', 'int b;', 'int c;', 'int d;', 'int e;', 'int f;']
  const answers = await Promise.allSettled(sources.map((text) => serving.compile(text)))
  const refused = answers.filter(({ status: how }) => how === 'rejected')
  t.ok(refused.length > 0 && refused.length < sources.length)
  t.match(
    refused,
    refused.map(() => ({ reason: { code: 'BUSY', hint: /Try again/ } })),
  )
})

void test('a stop lets open requests end', async (t) => {
  if (!requireRoot(t)) return
  await using serving = await Serving.start()
  const open = serving.compile(program)
  await until('the request runs', () => processesOf(process.pid).length > 0)
  await serving.stop(120_000)
  t.match(await open, { ok: true })
  await t.rejects(serving.compile('int x;'), { code: 'SERVER_UNREACHABLE' })
})

const start = (...args: readonly string[]): ReturnType<typeof runCommand> =>
  runCommand(['compile-server', ...args])

void test('a server that cannot start says why', async (t) => {
  const directory = t.testdir()
  createCertificates(directory, ['localhost', 'other'])
  const { ca, cert, key } = filesIn(directory, 'localhost')
  t.match(await start('--cert', cert, '--key', key), { code: 2, stderr: /Missing.*: ca/ })
  const identity = ['--ca', ca, '--cert', cert, '--key']
  t.match(await start(...identity, filesIn(directory, 'other').key), {
    code: 1,
    stderr: /other\.key: it is not the key of .*localhost\.crt/,
  })
  t.match(await start(...identity, '/nowhere'), { code: 1, stderr: /read \/nowhere: ENOENT/ })
  writeFileSync(join(directory, 'junk'), 'junk')
  t.match(await start(...identity, join(directory, 'junk')), { code: 1, stderr: /PEM/ })
  t.match(await start(...identity, key, '--listen', 'x'), { code: 2, stderr: /HOST:PORT/ })
  t.match(await start(...identity, key, '--jobs', '0'), { code: 2, stderr: /--jobs/ })

  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await until('it listens', () => taken.listening)
  const address = taken.address()
  const port = typeof address === 'object' && address ? address.port : 0
  t.match(await start(...identity, key, '--listen', `127.0.0.1:${port}`), {
    code: 1,
    stderr: /EADDRINUSE/,
  })
})

/** The sandboxes of a server. */
function processesOf(server: number): string[] {
  return readFileSync(`/proc/${server}/task/${server}/children`, 'utf8').split(' ').filter(Boolean)
}
