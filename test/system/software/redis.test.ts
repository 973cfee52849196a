import { test } from 'tap'
import { requireRoot } from '../../helpers/requirements.ts'
import { Client, listening, liveThrough } from './life.ts'
import { meshedPods, SIDECARS } from './sidecars.ts'

const PORT = 6379

void test('Redis under redis-cli and redis-benchmark', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, client, server } = await meshedPods(t)
  const host = server.address
  const flags = ['--save', '', '--appendonly', 'no', '--protected-mode', 'no']
  server.start('redis-server', '--bind', host, '--port', `${PORT}`, ...flags)
  await listening(server, PORT)
  const echo = await Client.start(client, 'pipe-client', {
    command: ['redis-cli', '-h', host, '-p', `${PORT}`],
    before: 'ECHO ',
    connections: 4,
    sizes: [1, 100, 5000, 70_000, 1_000_000],
  })
  const benchmark = ['redis-benchmark', '-h', host, '-p', `${PORT}`, '-q', '-n', '2000']
  const one = await Client.start(client, 'command-client', {
    command: [...benchmark, '-c', '8', '-d', '1000', '-t', 'set,get,lrange_100'],
    expected: 'LRANGE_100.*requests per second',
  })
  const pipelined = await Client.start(client, 'command-client', {
    command: [...benchmark, '-c', '4', '-P', '16', '-d', '100', '-t', 'set,get,mset'],
    expected: 'MSET.*requests per second',
  })
  await liveThrough(t, mesh, [echo, one, pipelined], [...SIDECARS, PORT])
})
