import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { bindPrivately } from '../../../src/lib/private-socket.ts'

void test('nobody else may connect, and the umask is as before', async (t) => {
  const umask = process.umask(0o022)
  t.teardown(() => process.umask(umask))
  // The path of a Unix socket has 107 bytes at most.
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'socket')
  const server = createServer()
  t.teardown(() => server.close())
  await bindPrivately(path, async () => {
    server.listen(path)
    await once(server, 'listening')
  })
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(process.umask(), 0o022)
})

void test('says which socket it was, and the umask is as before', async (t) => {
  const umask = process.umask(0o022)
  t.teardown(() => process.umask(umask))
  const fails = bindPrivately('/run/s', () => Promise.reject(new Error('address in use')))
  await t.rejects(fails, { code: 'BAD_SOCKET', message: 'listen on /run/s: address in use' })
  t.equal(process.umask(), 0o022)
})
