import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { chainIn, chainOut } from '../../cni/chain.ts'
import { listOf, pluginType } from '../../cni/conflist.ts'
import { replaceFile } from '../../cni/replace-file.ts'
import { packageRoot } from '../../src/package.ts'
import * as mesh from '../helpers/cni-installers.ts'

const entry = { type: pluginType } as const
const fixture = (name: string): string =>
  readFileSync(join(packageRoot, 'test/fixtures/cni', name), 'utf8')
const calico = fixture('calico.conflist.before')
const single = fixture('single.conf.before')

/** Everything in a directory. */
function content(directory: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'utf8')]),
  )
}

function types(directory: string, name: string): string[] {
  const list: { plugins: { type: string }[] } = JSON.parse(
    readFileSync(join(directory, name), 'utf8'),
  )
  return list.plugins.map(({ type }) => type)
}

const list = '10-calico.conflist'

void test('in, again, and out to the byte', async (t) => {
  const before = { [list]: calico, '20-other.conflist': calico, 'calico-kubeconfig': 'x' }
  const dir = t.testdir(before)
  chmodSync(join(dir, list), 0o600)
  t.equal(chainIn(dir, entry), list)
  t.strictSame(content(dir), { ...before, [list]: fixture('calico.conflist.after') })
  const { ino } = statSync(join(dir, list))
  t.equal(chainIn(dir, entry), undefined)
  t.equal(statSync(join(dir, list)).ino, ino, 'nothing is written')
  t.equal(statSync(join(dir, list)).mode & 0o777, 0o600)
  t.strictSame(chainOut(dir), [list])
  t.strictSame(content(dir), before)
  t.equal(statSync(join(dir, list)).mode & 0o777, 0o600)
  t.strictSame(chainOut(dir), [])
})

void test('a single plugin becomes a list, and is put back', async (t) => {
  for (const extension of ['conf', 'json']) {
    const name = `10-net.${extension}`
    const dir = t.testdir({ [name]: single })
    t.equal(chainIn(dir, entry), '10-net.conflist')
    t.strictSame(content(dir), {
      '10-net.conflist': fixture('single.conf.after'),
      [`${name}.meshaccel-saved`]: single,
    })
    t.equal(chainIn(dir, entry), undefined)
    t.strictSame(chainOut(dir), ['10-net.conflist', name])
    t.strictSame(content(dir), { [name]: single })
  }
})

void test('a network that writes its single plugin anew is chained anew', async (t) => {
  const dir = t.testdir({ '10-net.conf': single })
  chainIn(dir, entry)
  const renewed = single.replace('cni0', 'cni1')
  writeFileSync(join(dir, '10-net.conf'), renewed)
  t.equal(chainIn(dir, entry), '10-net.conflist')
  t.strictSame(chainOut(dir), ['10-net.conflist', '10-net.conf'])
  t.strictSame(content(dir), { '10-net.conf': renewed })
})

void test("somebody's list of that name is not overwritten", async (t) => {
  const before = { '10-net.conf': single, '10-net.conflist': calico }
  const dir = t.testdir(before)
  t.throws(() => chainIn(dir, entry), { code: 'CNI_CONF_IN_THE_WAY' })
  t.strictSame(content(dir), before)
})

void test('a list that others have joined stays one', async (t) => {
  const dir = t.testdir({ '10-net.conf': single })
  chainIn(dir, entry)
  mesh.istioInstalls(dir)
  chainOut(dir)
  t.strictSame(readdirSync(dir), ['10-net.conflist'])
  t.strictSame(types(dir, '10-net.conflist'), ['bridge', 'istio-cni'])
  t.not(readFileSync(join(dir, '10-net.conflist'), 'utf8'), listOf(single))
})

void test('Istio and Linkerd install before, after and again', async (t) => {
  for (const { name, installs, uninstalls, type } of mesh.meshes) {
    const dir = t.testdir({ [list]: calico })
    const without = join(t.testdirName, '..', `${name}-without`)
    mkdirSync(without, { recursive: true })
    writeFileSync(join(without, list), calico)
    installs(without)
    const networks = ['calico', 'portmap', 'bandwidth']

    installs(dir)
    chainIn(dir, entry)
    t.strictSame(types(dir, list), [...networks, type, pluginType], `${name} first`)
    installs(dir)
    t.strictSame(types(dir, list), [...networks, pluginType, type], `${name} again`)
    t.equal(chainIn(dir, entry), undefined, 'the order is theirs to choose')
    chainOut(dir)
    t.strictSame(content(dir), content(without), 'what would be there without us')

    chainIn(dir, entry)
    uninstalls(dir)
    t.strictSame(types(dir, list), [...networks, pluginType])
    installs(dir)
    t.strictSame(types(dir, list), [...networks, pluginType, type], `we first`)
    chainOut(dir)
    t.strictSame(content(dir), content(without), 'the same again')
  }
})

void test('a symlink stays one', async (t) => {
  const dir = t.testdir({
    real: { net: calico },
    d: { [list]: t.fixture('symlink', '../real/net') },
  })
  chainIn(join(dir, 'd'), entry)
  t.ok(lstatSync(join(dir, 'd', list)).isSymbolicLink())
  t.strictSame(types(join(dir, 'd'), list).at(-1), pluginType)
})

void test('no network yet', async (t) => {
  const dir = t.testdir({ 'notes.txt': '' })
  t.throws(() => chainIn(dir, entry), { code: 'NO_CNI_NETWORK', hint: /--conf-dir/ })
  t.throws(() => chainIn(join(dir, 'none'), entry), { code: 'NO_CNI_NETWORK' })
  t.throws(() => chainIn(join(dir, 'notes.txt'), entry), { code: 'BAD_CNI_DIR' })
  t.strictSame(chainOut(dir), [])
})

void test('a file that somebody has just written is not replaced', async (t) => {
  const dir = t.testdir({ [list]: calico })
  const path = join(dir, list)
  const mode = 0o644
  t.notOk(replaceFile({ path, content: 'ours', mode, expected: 'what was read' }))
  t.strictSame(content(dir), { [list]: calico }, 'and nothing is left lying about')
  t.ok(replaceFile({ path, content: 'ours', mode, expected: calico }))
  t.strictSame(content(dir), { [list]: 'ours' })
  // A write that cannot be finished leaves the old file, too.
  mkdirSync(join(dir, 'directory'))
  t.throws(() => replaceFile({ path: join(dir, 'directory'), content: 'x', mode }))
  t.strictSame(readdirSync(dir), [list, 'directory'])
})
