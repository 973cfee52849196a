import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { pluginType } from '../../../cni/conflist.ts'
import { readChainState } from '../../../src/lib/cni-chain-state.ts'
import { runCommand, type CliResult } from '../../helpers/cli-run.ts'
import { cniPlugin } from '../../helpers/cni-plugin.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

const list = '{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp"}]}'
const single = '{"cniVersion": "1.0.0", "name": "pods", "type": "ptp"}'

interface Node {
  readonly binary: string
  readonly confDir: string
  readonly conf: string
  readonly cache: string
  readonly state: string
  readonly places: readonly string[]
  readonly install: (...args: string[]) => Promise<CliResult>
  readonly uninstall: (...args: string[]) => Promise<CliResult>
}

function node(t: Test, conf: Record<string, string> = { '10-net.conflist': list }): Node {
  const root = t.testdir({ conf, bin: { ptp: '' }, cache: {} })
  const state = join(root, 'state.json')
  const places = [
    '--conf-dir',
    join(root, 'conf'),
    '--bin-dir',
    join(root, 'bin'),
    '--state',
    state,
  ]
  const cache = join(root, 'cache')
  return {
    binary: join(root, 'bin', pluginType),
    confDir: join(root, 'conf'),
    conf: join(root, 'conf/10-net.conflist'),
    cache,
    state,
    places,
    install: (...args) => runCommand(['cni', 'install', ...places, ...args]),
    uninstall: (...args) =>
      runCommand(['cni', 'uninstall', ...places, '--cache-dir', cache, '--grace', '0', ...args]),
  }
}

void test('install and uninstall, each twice', async (t) => {
  const { binary, conf, install, uninstall } = node(t)
  t.match(await install(), { code: 0, stdout: '', stderr: 'chained into 10-net.conflist\n' })
  t.ok(readFileSync(binary).equals(readFileSync(cniPlugin)))
  t.equal(statSync(binary).mode & 0o777, 0o755)
  t.match(await install(), { code: 0, stderr: 'already installed\n' })
  writeFileSync(binary, 'an older one')
  t.match(await install(), { code: 0, stderr: 'plugin renewed\n' })
  t.match(await uninstall(), { code: 0, stderr: 'taken out of 10-net.conflist\n' })
  t.equal(readFileSync(conf, 'utf8'), list)
  t.throws(() => statSync(binary), { code: 'ENOENT' })
  t.match(await uninstall(), { code: 0, stderr: 'already uninstalled\n' })
})

void test('another socket is told to the plugin', async (t) => {
  const { conf, install } = node(t)
  await install('--socket', '/run/x.sock')
  t.match(JSON.parse(readFileSync(conf, 'utf8')), {
    plugins: [{ type: 'ptp' }, { type: pluginType, socket: '/run/x.sock' }],
  })
})

/** A record in libcni's format. */
const attachment = (plugins: string): string =>
  JSON.stringify({ kind: 'cniCacheV1', config: Buffer.from(plugins).toString('base64') })

void test('the binary stays while a runtime may need it to remove pods', async (t) => {
  const { binary, cache, install, uninstall } = node(t)
  await install()
  mkdirSync(join(cache, 'results'))
  writeFileSync(join(cache, 'results/pods-a-eth0'), attachment('[{"type":"meshaccel-cni"}]'))
  writeFileSync(join(cache, 'results/pods-b-eth0'), attachment('[{"type":"ptp"}]'))
  writeFileSync(join(cache, 'results/rubbish'), '}')
  t.match(await uninstall(), { code: 0, stderr: /meshaccel-cni stays, .* to remove 1 pods/ })
  t.ok(statSync(binary))
  rmSync(join(cache, 'results/pods-a-eth0'))
  t.match(await uninstall(), { code: 0, stderr: 'the plugin is removed\n' })
  t.throws(() => statSync(binary), { code: 'ENOENT' })
})

void test('a chain that cannot be is refused', async (t) => {
  const { install, confDir } = node(t, { '10-net.conflist': list.replace('ptp', 'gke') })
  t.match(await install(), {
    code: 1,
    stderr: /chain the CNI plugin into 10-net\.conflist: .*bin has no gke\.\n.*--bin-dir/s,
  })
  t.equal(readFileSync(join(confDir, '10-net.conflist'), 'utf8'), list.replace('ptp', 'gke'))
})

void test('a single plugin needs somebody who follows it', async (t) => {
  const { install, uninstall, confDir } = node(t, { '10-net.conf': single })
  const ours = '10-net-meshaccel-10-net.conflist'
  const follows = `${ours} stands beside 10-net.conf, and follows it only while --watch runs\n`
  t.match(await install(), { code: 0, stderr: `chained into ${ours}\n${follows}` })
  t.match(await install(), { code: 0, stderr: `already installed\n${follows}` })
  t.match(await uninstall(), { code: 0, stderr: `taken out of ${ours}\n` })
  t.strictSame(readdirSync(confDir), ['10-net.conf'])
})

void test('several directories of plugins', async (t) => {
  const { binary, install, uninstall } = node(t)
  const other = mkdtempSync(join(tmpdir(), 'cni-bin-'))
  t.teardown(() => rmSync(other, { recursive: true }))
  for (const name of ['a', 'b']) mkdirSync(join(other, name))
  writeFileSync(join(other, 'a/ptp'), '')
  const more = ['--bin-dir', [join(binary, '..'), join(other, 'a'), join(other, 'b')].join(':')]
  t.match(await install(...more), { code: 0 })
  for (const path of [binary, join(other, 'a', pluginType)]) t.ok(statSync(path), path)
  t.strictSame(readdirSync(join(other, 'b')), [], 'the runtime cannot use this one')
  await uninstall(...more)
  t.throws(() => statSync(binary), { code: 'ENOENT' })
  t.strictSame(readdirSync(join(other, 'a')), ['ptp'])
})

void test('uninstall waits for pods that are being connected, and says so', async (t) => {
  const { install, uninstall, cache } = node(t)
  await install()
  const waiting = 'waiting 0.01 s for pods that are being connected\n'
  const out = 'taken out of 10-net.conflist\n'
  t.match(await uninstall('--grace', '0.01'), { code: 0, stderr: waiting + out })
  t.match(await uninstall('--grace', '60'), { code: 0, stderr: 'already uninstalled\n' })
  t.match(await uninstall('--grace', 'x'), { code: 2, stderr: /--grace/ })
  t.ok(cache)
})

void test('--watch puts it back until it is told to end', async (t) => {
  const { conf, places, install, state } = node(t)
  const end = new AbortController()
  const watching = runCommand(['cni', 'install', '--watch', ...places], { signal: end.signal })
  const chained = (): boolean => readFileSync(conf, 'utf8').includes(pluginType)
  await until('it is chained in', chained)
  t.match(readChainState(state), { state: 'chained', file: '10-net.conflist' })
  writeFileSync(conf, list)
  await until('it is back', chained)
  end.abort()
  t.match(await watching, { code: 0, stdout: '' })
  t.ok(chained(), 'an agent that is replaced leaves it in place')
  t.equal(readChainState(state), undefined)
  t.match(await install(), { stderr: 'already installed\n' })
})

void test('--watch takes its own list along, which follows its owner only while it runs', async (t) => {
  const { confDir, places } = node(t, { '10-net.conf': single })
  const end = new AbortController()
  const watching = runCommand(['cni', 'install', '--watch', ...places], { signal: end.signal })
  await until('the list is there', () => readdirSync(confDir).length === 2)
  end.abort()
  await watching
  t.strictSame(readdirSync(confDir), ['10-net.conf'])
})

void test('a directory that the host replaces below a container', async (t) => {
  if (!requireRoot(t)) return
  const root = mkdtempSync(join(tmpdir(), 'cni-mount-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  for (const name of ['conf', 'bin', 'host/cni', 'host/conf'])
    mkdirSync(join(root, name), { recursive: true })
  writeFileSync(join(root, 'host/cni/ptp'), '')
  writeFileSync(join(root, 'host/conf/a.conflist'), list)
  for (const [from, to] of [
    ['host/cni', 'bin'],
    ['host/conf', 'conf'],
  ] as const) {
    execFileSync('mount', ['--bind', join(root, from), join(root, to)])
    t.teardown(() => execFileSync('umount', [join(root, to)]))
  }
  const places = ['--conf-dir', join(root, 'conf'), '--bin-dir', join(root, 'bin')]
  const watching = runCommand([
    'cni',
    'install',
    '--watch',
    ...places,
    '--state',
    join(root, 'state'),
  ])
  const chained = (): boolean =>
    readFileSync(join(root, 'host/conf/a.conflist'), 'utf8').includes(pluginType)
  await until('it is chained in', chained)
  // A node upgrade: the mount still shows the old directory.
  renameSync(join(root, 'host/cni'), join(root, 'host/cni.old'))
  mkdirSync(join(root, 'host/cni'))
  writeFileSync(join(root, 'host/cni/ptp'), '')
  t.match(await watching, {
    code: 1,
    stderr: /the host has replaced the directory that is mounted/,
  })
  t.notOk(chained(), 'the new directory has no plugin of ours')
})

void test('what cannot be meant, and who may not', async (t) => {
  for (const argv of [['cni'], ['cni', 'nope'], ['cni', 'install', '--socket', 'relative']]) {
    t.match(await runCommand(argv), { code: 2, stderr: /^meshaccel: .+\n {2}`meshaccel --help`/s })
  }
  for (const verb of ['install', 'uninstall']) {
    t.match(await runCommand(['cni', verb], { uid: 1000 }), { code: 1, stderr: /only root may/ })
  }
})
