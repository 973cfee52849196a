import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { pluginType } from '../../cni/conflist.ts'
import { runCommand, type CliResult } from '../helpers/cli-run.ts'
import { cniPlugin } from '../helpers/cni-plugin.ts'
import { until } from '../helpers/retry.ts'

const list = '{"name": "pods", "plugins": [{"type": "ptp"}]}'

interface Node {
  readonly binary: string
  readonly conf: string
  readonly cache: string
  readonly places: readonly string[]
  readonly install: (...args: string[]) => Promise<CliResult>
  readonly uninstall: () => Promise<CliResult>
}

function node(t: Test): Node {
  const root = t.testdir({ conf: { '10-net.conflist': list }, cache: {} })
  const places = ['--conf-dir', join(root, 'conf'), '--bin-dir', join(root, 'bin')]
  const cache = join(root, 'cache')
  return {
    binary: join(root, 'bin', pluginType),
    conf: join(root, 'conf/10-net.conflist'),
    cache,
    places,
    install: (...args) => runCommand(['cni', 'install', ...places, ...args]),
    uninstall: () => runCommand(['cni', 'uninstall', ...places, '--cache-dir', cache]),
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

/** As libcni keeps it. */
const attachment = (plugins: string): string =>
  JSON.stringify({ kind: 'cniCacheV1', config: Buffer.from(plugins).toString('base64') })

void test('the binary stays while a runtime may need it to remove pods', async (t) => {
  const { binary, cache, install, uninstall } = node(t)
  await install()
  mkdirSync(join(cache, 'results'))
  writeFileSync(join(cache, 'results/pods-a-eth0'), attachment('[{"type":"meshaccel-cni"}]'))
  writeFileSync(join(cache, 'results/pods-b-eth0'), attachment('[{"type":"ptp"}]'))
  writeFileSync(join(cache, 'results/rubbish'), '}')
  t.match(await uninstall(), { code: 0, stderr: /meshaccel-cni stays, .* 1 pods that/ })
  t.ok(statSync(binary))
  rmSync(join(cache, 'results/pods-a-eth0'))
  t.match(await uninstall(), { code: 0, stderr: 'the plugin is removed\n' })
  t.throws(() => statSync(binary), { code: 'ENOENT' })
})

void test('--watch puts it back until it is told to end', async (t) => {
  const { conf, places, install } = node(t)
  const end = new AbortController()
  const watching = runCommand(['cni', 'install', '--watch', ...places], { signal: end.signal })
  const chained = (): boolean => readFileSync(conf, 'utf8').includes(pluginType)
  await until('it is chained in', chained)
  writeFileSync(conf, list)
  await until('it is back', chained)
  end.abort()
  t.match(await watching, { code: 0, stdout: '' })
  t.ok(chained(), 'an agent that is replaced leaves it in place')
  t.match(await install(), { stderr: 'already installed\n' })
})

void test('what cannot be meant, and who may not', async (t) => {
  for (const argv of [['cni'], ['cni', 'nope'], ['cni', 'install', '--socket', 'relative']]) {
    t.match(await runCommand(argv), { code: 2, stderr: /^meshaccel: .+\n {2}`meshaccel --help`/s })
  }
  for (const verb of ['install', 'uninstall']) {
    t.match(await runCommand(['cni', verb], { uid: 1000 }), { code: 1, stderr: /only root may/ })
  }
})
