import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { requireRoot } from '../../helpers/requirements.ts'
import { Client, listening, liveThrough } from './life.ts'
import { meshedPods, SIDECARS } from './sidecars.ts'

const PORT = 2222

void test('SSH, where the server speaks first', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, client, server } = await meshedPods(t)
  const file = (name: string): string => join(mesh.directory, name)
  for (const key of ['host', 'user']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(key)])
  }
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const config = [
    `Port ${PORT}`,
    `HostKey ${file('host')}`,
    `AuthorizedKeysFile ${file('user.pub')}`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PermitRootLogin yes',
    'MaxStartups 100',
  ]
  writeFileSync(file('sshd_config'), `${config.join('\n')}\n`)
  server.start('/usr/sbin/sshd', '-D', '-f', file('sshd_config'))
  await listening(server, PORT)
  const flags = ['-F', 'none', '-i', file('user'), '-p', `${PORT}`, '-o', 'BatchMode=yes']
  const trust = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null']
  const cat = await Client.start(client, 'pipe-client', {
    command: ['ssh', '-q', ...flags, ...trust, `root@${server.address}`, 'cat'],
    connections: 4,
    sizes: [1, 100, 5000, 70_000, 1_000_000],
  })
  await liveThrough(t, mesh, [cat], [...SIDECARS, PORT])
})
