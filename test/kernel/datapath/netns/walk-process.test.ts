import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'tap'
import { WalkProcess } from '../../../../src/datapath/netns/walk-process.ts'
import { IterLink } from 'libbpf'
import { packageRoot } from '../../../../src/lib/package.ts'
import { until } from '../../../helpers/retry.ts'
import { requireRoot } from '../../../helpers/requirements.ts'
import { compileFixture, loadWith, pinDirectory } from '../../../../packages/libbpf/test/fixture.ts'

const program = join(packageRoot, 'build/netns/meshaccel-walk')
const OWN = '/proc/self/ns/net'

void test('walks with a pinned iterator', async (t) => {
  if (!requireRoot(t)) return
  using object = loadWith(compileFixture(t, 'basics'), 'listeners')
  using link = object.program('listeners').attachIter()
  const pin = join(pinDirectory(t), 'listeners')
  link.pin(pin)
  using pinned = IterLink.fromPin(pin)
  using walker = new WalkProcess()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  t.strictSame(await walker.walk(pin, OWN), pinned.iterate())
  t.strictSame(await walker.walk(pin, OWN), pinned.iterate(), 'again and again')
  t.notOk(walker.waits())

  t.equal((await walker.walk(pin, '/run/netns/nothing-here')).length, 0, 'a namespace that is gone')
  await t.rejects(walker.walk(`${pin}-gone`, OWN), {
    code: 'ENOENT',
    message: 'open the iterator for network namespace /proc/self/ns/net: ENOENT',
  })
  await t.rejects(walker.walk(pin, '/proc/self/ns/pid'), { code: 'EINVAL', message: /^enter / })
  t.strictSame(await walker.walk(pin, OWN), pinned.iterate(), 'it is in its own namespace still')
})

void test('a program that is missing, and one that ends', async (t) => {
  using missing = new WalkProcess('/nowhere/meshaccel-walk')
  await t.rejects(missing.walk('/pin', OWN), { code: 'WALKER_ENDED', message: /ENOENT/ })
  using ending = new WalkProcess('/bin/false')
  await t.rejects(ending.walk('/pin', OWN), { code: 'WALKER_ENDED', message: /exit 1/ })
  await t.rejects(ending.walk('/pin', OWN), { code: 'WALKER_ENDED' })
})

void test('it ends with the one that started it', async (t) => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    // The test holds the other end of its standard input, so only the death of its parent can end it.
    const script = `${program} $$ <&3 & echo $!; read -r line`
    const parent = spawn('bash', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit', 'pipe'] })
    const pid = await new Promise<number>((resolve) =>
      parent.stdout?.once('data', (data: Buffer) => resolve(Number(String(data)))),
    )
    t.ok(existsSync(`/proc/${pid}`))
    parent.kill(signal)
    await until('it ends', () => !existsSync(`/proc/${pid}`))
  }
})

void test('signals are for the one that started it', async (t) => {
  const child = spawn(program, [String(process.pid)], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child, 'spawn')
  t.teardown(() => child.kill('SIGKILL'))
  // The answer to a request shows that it has begun to ignore signals.
  const paths = Buffer.from('/pin\0/nowhere\0')
  const size = Buffer.alloc(4)
  size.writeUInt32LE(paths.length)
  const ask = async (): Promise<void> => {
    child.stdin.write(Buffer.concat([size, paths]))
    await once(child.stdout, 'data')
  }
  await ask()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) child.kill(signal)
  await ask()
  t.equal(child.exitCode, null)
  child.stdin.end()
  const [code] = await once(child, 'close')
  t.equal(code, 0, 'the end of its input ends it')
})
