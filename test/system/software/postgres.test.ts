import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Client, liveThrough } from './life.ts'
import { meshedPods, SIDECARS } from './sidecars.ts'

const PORT = 5432
/** It does not run as root. */
const asPostgres = ['--reuid=postgres', '--regid=postgres', '--clear-groups']

void test('PostgreSQL under pgbench and psql', async (t) => {
  if (!requireRoot(t)) return
  const directory = mkdtempSync('/dev/shm/meshaccel-postgres-')
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  execFileSync('chown', ['postgres', directory])
  const { mesh, client, server } = await meshedPods(t)
  const [version = ''] = readdirSync('/usr/lib/postgresql')
  const binary = (name: string): string => `/usr/lib/postgresql/${version}/bin/${name}`
  const data = join(directory, 'data')
  const asUser = (...command: string[]): string => server.exec('setpriv', ...asPostgres, ...command)
  const initdb = [binary('initdb'), '-D', data, '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C']
  asUser(...initdb)
  writeFileSync(join(data, 'pg_hba.conf'), 'host all all all trust\n')
  const settings = [`listen_addresses=${server.address}`, `unix_socket_directories=`, 'fsync=off']
  const flags = ['-D', data, '-p', `${PORT}`, ...settings.flatMap((setting) => ['-c', setting])]
  server.start('setpriv', ...asPostgres, binary('postgres'), ...flags)
  // SIGKILL would leave its shared memory behind.
  t.teardown(() => asUser(binary('pg_ctl'), 'stop', '-D', data, '-m', 'fast'))
  const url = `postgresql://postgres@${server.address}:${PORT}/postgres`
  await until('it answers', () => ready(() => client.exec('psql', url, '-c', 'SELECT 1')))
  client.exec(binary('pgbench'), '-i', '-q', url)

  const psql = await Client.start(client, 'pipe-client', {
    command: ['psql', url, '-AtqX'],
    before: "SELECT '",
    after: "';",
    connections: 4,
    sizes: [1, 100, 5000, 70_000, 1_000_000],
  })
  const benchmark = [binary('pgbench'), url, '-n', '-c', '4']
  const transactions = await Client.start(client, 'command-client', {
    command: [...benchmark, '-t', '200'],
    expected: '800/800\nnumber of failed transactions: 0 ',
  })
  const prepared = await Client.start(client, 'command-client', {
    command: [...benchmark, '-t', '200', '-S', '-M', 'prepared'],
    expected: '800/800\nnumber of failed transactions: 0 ',
  })
  await liveThrough(t, mesh, [psql, transactions, prepared], [...SIDECARS, PORT])
  const sums =
    'SELECT sum(abalance) FROM pgbench_accounts UNION SELECT sum(delta) FROM pgbench_history'
  t.match(client.exec('psql', url, '-Atc', sums), /^-?\d+\n$/, 'the accounts add up')
})

function ready(look: () => void): boolean {
  try {
    look()
    return true
  } catch {
    return false
  }
}
