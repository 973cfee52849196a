import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'tap'
import { Sandbox, uidOf } from '../../../src/compile/sandbox.ts'
import { packageRoot } from '../../../src/lib/package.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { noneLeft, processesOf, runScript, toolchain } from './sandboxed.ts'

/** A script stands for a compiler that an attacker has taken over. */
void test('a sandbox has no files but its own', async (t) => {
  if (!requireRoot(t)) return
  const secret = join(t.testdir(), 'server.key')
  writeFileSync(secret, 'secret\n', { mode: 0o644 })
  const { stdout, ok } = await runScript('cat /work/input; cd /; echo *; echo /*/*')
  t.ok(ok)
  t.match(stdout.toString(), /^input\n(?:lib64 )?.*meshaccel.* usr work\n/)
  for (const path of [
    '/etc/passwd',
    '/proc/self/environ',
    '/dev/null',
    '/sys',
    '/root',
    '/run',
    secret,
  ]) {
    t.notOk((await runScript(`[[ -e ${path} ]]`)).ok, path)
    t.notOk((await runScript(`cat ${path}`)).ok, path)
  }
  for (const path of [
    '/work/x',
    '/work/input',
    '/usr/x',
    '/x',
    '/meshaccel/x',
    '/meshaccel/bpf/x',
  ]) {
    t.notOk((await runScript(`: >${path}`)).ok, path)
    t.notOk((await runScript(`mkdir ${path}`)).ok, path)
  }
  t.ok((await runScript(': >/tmp/x')).ok, '/tmp is its own')
  t.notOk((await runScript('[[ -e /tmp/x ]]')).ok, 'and empty')
})

void test('a sandbox has no privileges', async (t) => {
  if (!requireRoot(t)) return
  const { stdout } = await runScript('echo $UID $EUID; setpriv --dump')
  const said = stdout.toString()
  t.ok(said.startsWith(`${uidOf(0)} ${uidOf(0)}\n`), said)
  t.match(said, /no_new_privs: 1/)
  t.match(said, /Capability bounding set: \[none\]/)
  t.match(said, /Supplementary groups: \[none\]/)
})

void test('a sandbox has no network', async (t) => {
  if (!requireRoot(t)) return
  const server = createServer(() => t.fail('the sandbox has connected'))
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  for (const host of ['127.0.0.1', '192.0.2.1']) {
    const { ok, stderr } = await runScript(`exec 3<>/dev/tcp/${host}/${port}`)
    t.notOk(ok, stderr)
  }
})

void test('the limits of a sandbox end it, and nothing is left', async (t) => {
  if (!requireRoot(t)) return
  const limited = async (
    name: string,
    script: string,
    limit: RegExp,
    wallMs = 120_000,
  ): Promise<void> => {
    const limits = { cpuSeconds: 2, stdoutBytes: 1 << 20, memoryBytes: 64 << 20, wallMs }
    const ended = await runScript(script, limits)
    t.notOk(ended.ok, name)
    t.match(ended.limit ?? ended.stderr, limit, name)
    await noneLeft(uidOf(0))
  }
  await limited('time', 'while :; do :; done', /2 s of processor time/)
  await limited('sleep', 'kill -STOP $$', /^1 s$/, 1_000)
  await limited(
    'output',
    'while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done',
    /too much output/,
  )
  await limited(
    'diagnostics',
    'while :; do echo yyyyyyyyyyyyyyyyyyyyyy >&2; done',
    /too many diagnostics/,
  )
  await limited('memory', 'a=xxxxxxxxxxxxxxxx; while :; do a=$a$a; done', /memory|cannot allocate/)
  await limited(
    'a file',
    'a=/usr/bin/bash; while cat $a $a $a $a >>/tmp/x; do :; done; exit 1',
    /File size limit exceeded/,
  )
  await limited(
    'files',
    'i=0; while cat /usr/bin/bash /usr/bin/bash >/tmp/$i; do i=$((i + 1)); done; exit 1',
    /No space/,
  )
  await limited(
    'processes',
    'for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done',
    /Resource temporarily unavailable|fork/,
  )
  // A process ends even if its parent does not wait for it.
  t.ok((await runScript('while :; do :; done & disown; exit 0')).ok)
  await noneLeft(uidOf(0))
})

void test('a sandbox ends with its server', async (t) => {
  if (!requireRoot(t)) return
  const module = join(packageRoot, 'test/system/compile/sandboxed.ts')
  const script = `import { runScript } from '${module}'; await runScript('echo; while :; do :; done')`
  const server = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', script], {
    cwd: packageRoot,
    stdio: 'inherit',
  })
  const uid = uidOf(0) + ((server.pid ?? 0) - process.pid) * 16
  await until('it runs', () => processesOf(uid).length > 0)
  server.kill('SIGKILL')
  await until('it ends', () => processesOf(uid).length === 0)
  t.same(processesOf(uid), [])
})

void test('killAll ends what runs', async (t) => {
  if (!requireRoot(t)) return
  const sandbox = new Sandbox(toolchain)
  const run = runScript('while :; do :; done', {}, sandbox)
  await until('it runs', () => processesOf(uidOf(0)).length > 0)
  sandbox.killAll()
  await t.rejects(run, { code: 'NO_SANDBOX' })
  await noneLeft(uidOf(0))
})

void test('without a sandbox nothing runs', async (t) => {
  const sandbox = new Sandbox({ bwrap: '/usr/bin/false' })
  await t.rejects(runScript('exit 0', {}, sandbox), {
    code: 'NO_SANDBOX',
    hint: /user namespaces/,
  })
  const missing = new Sandbox({ bwrap: '/nowhere/bwrap' })
  await t.rejects(runScript('exit 0', {}, missing), { code: 'NO_SANDBOX', message: /ENOENT/ })
  t.notOk(existsSync('/nowhere'))
})
