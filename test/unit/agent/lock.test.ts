import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { lockAgent } from '../../../src/agent/lock.ts'
import { ControlClient } from '../../../src/api/client.ts'
import { packageRoot } from '../../../src/lib/package.ts'

void test("a dead agent's socket and lock are no obstacle", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const socket = join(directory, 'agent.sock')
  const dying = `
    import { lockAgent } from '${join(packageRoot, 'src/agent/lock.ts')}'
    import { createServer } from 'node:net'
    lockAgent('${socket}')
    createServer().listen('${socket}', () => console.log('up'))`
  const child = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', dying], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  t.throws(() => lockAgent(socket), { code: 'AGENT_RUNNING' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.ok(existsSync(socket))
  await t.rejects(ControlClient.connect(socket), { message: /it is not running any more$/ })
  const lock = lockAgent(socket)
  t.notOk(existsSync(socket))
  t.throws(() => lockAgent(socket), { code: 'AGENT_RUNNING' })
  lock[Symbol.dispose]()
  lock[Symbol.dispose]()
  t.notOk(existsSync(`${socket}.lock`))
})

void test('a path that no socket can have is refused', async (t) => {
  const long = join(t.testdir(), 'x'.repeat(108))
  t.throws(() => lockAgent(long), { code: 'BAD_SOCKET', message: /longer than 107 bytes/ })
})
