/** An unprivileged user of the node has no access to the agent. */
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { cli } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'

const NOBODY = 65_534

void test('the control socket and the pins are for root alone', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  await mesh.startAgent()
  const asNobody = (command: string, ...args: string[]): string =>
    spawnSync(command, args, { uid: NOBODY, gid: NOBODY, encoding: 'utf8' }).stderr
  const [version = ''] = readdirSync(mesh.pinDir)
  const pins = join(mesh.pinDir, version)

  t.equal(statSync(mesh.socket).mode & 0o777, 0o600)
  t.equal(statSync(dirname(mesh.socket)).mode & 0o777, 0o700)
  for (const directory of [mesh.pinDir, pins]) t.equal(statSync(directory).mode & 0o777, 0o700)
  for (const pin of readdirSync(pins)) t.equal(statSync(join(pins, pin)).mode & 0o777, 0o600, pin)

  const connect = `require('net').connect(${JSON.stringify(mesh.socket)})`
  t.match(asNobody(process.execPath, '-e', connect), /EACCES/)
  t.match(asNobody('ls', mesh.pinDir), /Permission denied/)
  t.match(asNobody('bpftool', 'map', 'dump', 'pinned', join(pins, 'pods')), /Error/)
  const where = ['--socket', mesh.socket, '--pin', mesh.pinDir]
  for (const command of ['status', 'drain', 'cleanup'] as const) {
    const flags = command === 'status' ? where.slice(0, 2) : where
    const { status } = spawnSync(process.execPath, [cli, command, ...flags], {
      uid: NOBODY,
      gid: NOBODY,
    })
    t.equal(status, 1, command)
  }
})
