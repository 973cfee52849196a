import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { cli } from '../../helpers/agent-process.ts'
import { Load } from '../../helpers/load.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'

const NOBODY = 65_534

void test('cleanup of what another version made', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, load, version } = await leftBehind(t)
  const before = readdirSync(version)

  createMap(join(version, 'theirs'), 'theirs')
  mkdirSync(join(version, 'directory'))
  symlinkSync('/etc/passwd', join(version, 'symlink'))
  const foreign = cleanup(mesh.pinDir, mesh)
  t.match(foreign, {
    code: 1,
    stderr: /remove .*: theirs, directory, symlink in it is not ours|FOREIGN|is not ours/,
  })
  for (const name of ['theirs', 'directory', 'symlink']) t.match(foreign.stderr, name)
  t.equal(readdirSync(version).length, before.length + 3, 'nothing was removed')
  const agent = await mesh.startAgent()
  await load.accelerated(agent)
  await agent.kill('SIGKILL')
  unlinkSync(join(version, 'theirs'))
  unlinkSync(join(version, 'symlink'))
  rmdirSync(join(version, 'directory'))

  // A pin that this version does not know, of an object that is ours by its name.
  createMap(join(version, 'later'), 'meshaccel_later')
  mkdirSync(join(mesh.pinDir, 'other'))
  createMap(join(mesh.pinDir, 'other/theirs'), 'theirs')
  const partly = cleanup(mesh.pinDir, mesh)
  t.match(partly, { code: 1, stderr: /other in it is not of a layout that this version knows/ })
  t.strictSame(readdirSync(mesh.pinDir), ['other'])
  await load.goesOn('cleaned up')
  rmSync(join(mesh.pinDir, 'other/theirs'))
  rmdirSync(join(mesh.pinDir, 'other'))
  t.match(cleanup(mesh.pinDir, mesh), { code: 0 })
  t.notOk(existsSync(mesh.pinDir))
  await load.end(t)
})

for (const missing of ['survey', 'members', 'config'] as const) {
  void test(`pins without ${missing}`, async (t) => {
    if (!requireRoot(t)) return
    const { mesh, load, version } = await leftBehind(t)
    unlinkSync(join(version, missing))
    const before = readdirSync(version)
    t.match(cleanup(mesh.pinDir, mesh), {
      code: 1,
      stderr: /not those that this version can drain/,
    })
    await t.rejects(mesh.startAgent('--policy', 'full'), /not those that this version can drain/)
    t.strictSame(readdirSync(version), before, 'nothing was removed')
    t.strictSame(readdirSync(mesh.pinDir).length, 1)
    await load.end(t)
    if (missing === 'members') {
      for (const name of before) unlinkSync(join(version, name))
      rmdirSync(version)
    }
    t.match(cleanup(mesh.pinDir, mesh), { code: 0 }, 'nobody is a member any more')
    t.notOk(existsSync(mesh.pinDir))
  })
}

void test('a directory that is not on bpffs', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-pins-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const files = ['partial/a', '0123456789abcdef/watch', 'b'].map((name) => join(directory, name))
  mkdirSync(join(directory, 'partial'))
  mkdirSync(join(directory, '0123456789abcdef'))
  for (const file of files) writeFileSync(file, '')
  t.match(cleanup(directory, mesh), { code: 1, stderr: /it is not on bpffs/ })
  for (const file of files) t.ok(existsSync(file), file)
})

void test('a directory that somebody else has made', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  execFileSync('mkdir', [mesh.pinDir], { uid: NOBODY, gid: NOBODY })
  t.equal(statSync(mesh.pinDir).uid, NOBODY, 'everybody may')
  await t.rejects(mesh.startAgent(), /belongs to somebody else/)
  t.match(cleanup(mesh.pinDir, mesh), { code: 1, stderr: /belongs to somebody else/ })
  rmdirSync(mesh.pinDir)

  const target = `${mesh.pinDir}-target`
  execFileSync('mkdir', [target], { uid: NOBODY, gid: NOBODY })
  execFileSync('ln', ['-s', target, mesh.pinDir], { uid: NOBODY, gid: NOBODY })
  await t.rejects(mesh.startAgent(), /is a link/)
  unlinkSync(mesh.pinDir)
  rmdirSync(target)
})

/** An agent that was killed over live connections. */
async function leftBehind(t: Test): Promise<{ mesh: Mesh; load: Load; version: string }> {
  const mesh = await Mesh.make(t)
  const load = await Load.start(mesh)
  const agent = await mesh.startAgent()
  await load.accelerated(agent)
  await agent.kill('SIGKILL')
  const [version = ''] = readdirSync(mesh.pinDir)
  return { mesh, load, version: join(mesh.pinDir, version) }
}

function createMap(path: string, name: string): void {
  const shape = ['type', 'hash', 'key', '4', 'value', '4', 'entries', '1', 'name', name]
  execFileSync('bpftool', ['map', 'create', path, ...shape])
}

function cleanup(pinDir: string, { socket }: Mesh): { code: number | null; stderr: string } {
  const { status, stderr } = spawnSync(
    process.execPath,
    [cli, 'cleanup', '--pin', pinDir, '--socket', socket],
    { encoding: 'utf8', timeout: 60_000 },
  )
  return { code: status, stderr }
}
