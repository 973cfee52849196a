import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { chainOut } from '../../../cni/conf-dir.ts'
import { pluginType } from '../../../cni/conflist.ts'
import { replaceFile, swapIn } from '../../../cni/replace-file.ts'
import { packageRoot } from '../../../src/lib/package.ts'
import { chain, content, nodeWith, types } from '../../helpers/cni-dirs.ts'
import * as mesh from '../../helpers/cni-installers.ts'

const fixture = (name: string): string =>
  readFileSync(join(packageRoot, 'test/fixtures/cni', name), 'utf8')
const calico = fixture('calico.conflist.before')
const calicoTypes = ['calico', 'portmap', 'bandwidth']

const list = '10-calico.conflist'

void test('in, again, and out to the byte', async (t) => {
  const before = { [list]: calico, '20-other.conflist': calico, 'calico-kubeconfig': 'x' }
  const node = nodeWith(t, before, calicoTypes)
  const path = join(node.conf, list)
  chmodSync(path, 0o600)
  t.match(chain(node), { file: list, entry: 'inserted', written: true })
  t.strictSame(content(node.conf), { ...before, [list]: fixture('calico.conflist.after') })
  const { ino } = statSync(path)
  t.match(chain(node), { file: list, entry: 'there', written: false })
  t.equal(statSync(path).ino, ino, 'nothing is written')
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.strictSame(chainOut(node.conf), [list])
  t.strictSame(content(node.conf), before)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.strictSame(chainOut(node.conf), [])
})

void test('bytes that are no UTF-8 come back as they were', async (t) => {
  const bytes = Buffer.from(
    '{"name": "a", "cniVersion": "1.0.0", "plugins": [{"type": "a", "x": "\xff"}]}',
    'latin1',
  )
  const node = nodeWith(t, { '10-a.conflist': bytes }, ['a'])
  t.match(chain(node), { entry: 'inserted' })
  chainOut(node.conf)
  t.ok(readFileSync(join(node.conf, '10-a.conflist')).equals(bytes))
})

void test('Istio and Linkerd install before, after and again', async (t) => {
  for (const { name, installs, uninstalls, type } of mesh.meshes) {
    const node = nodeWith(t, { [list]: calico }, [...calicoTypes, 'istio-cni', 'linkerd-cni'])
    const { conf: dir } = node
    const { conf: without } = nodeWith(t, { [list]: calico }, [])
    installs(without)
    const networks = ['calico', 'portmap', 'bandwidth']

    installs(dir)
    chain(node)
    t.strictSame(types(dir, list), [...networks, type, pluginType], `${name} first`)
    installs(dir)
    t.strictSame(types(dir, list), [...networks, pluginType, type], `${name} again`)
    t.match(chain(node), { written: false }, 'the order is theirs to choose')
    chainOut(dir)
    t.strictSame(content(dir), content(without), 'what would be there without us')

    chain(node)
    uninstalls(dir)
    t.strictSame(types(dir, list), [...networks, pluginType])
    installs(dir)
    t.strictSame(types(dir, list), [...networks, pluginType, type], `we first`)
    chainOut(dir)
    t.strictSame(content(dir), content(without), 'the same again')
  }
})

void test('a symlink stays one', async (t) => {
  const node = nodeWith(t, {}, calicoTypes)
  const real = join(node.bin, '..', 'net')
  writeFileSync(real, calico)
  symlinkSync('../net', join(node.conf, list))
  chain(node)
  t.ok(lstatSync(join(node.conf, list)).isSymbolicLink())
  t.strictSame(types(node.conf, list).at(-1), pluginType)
})

void test('no network yet', async (t) => {
  const node = nodeWith(t, { 'notes.txt': '' }, [])
  t.throws(() => chain(node), { code: 'NO_CNI_NETWORK', hint: /--conf-dir/ })
  t.throws(() => chain({ ...node, conf: join(node.conf, 'none') }), { code: 'NO_CNI_NETWORK' })
  t.throws(() => chain({ ...node, conf: join(node.conf, 'notes.txt') }), { code: 'BAD_CNI_DIR' })
  t.strictSame(chainOut(node.conf), [])
})

void test('its owner takes its plugin out of the list: ours goes, too', async (t) => {
  const node = nodeWith(t, { '10-a.conflist': mesh.listWith('a') }, ['a'])
  chain(node)
  writeFileSync(join(node.conf, '10-a.conflist'), mesh.listWith(pluginType))
  t.throws(() => chain(node), { code: 'NO_CNI_NETWORK' })
  t.strictSame(types(node.conf, '10-a.conflist'), [])
})

void test('a file that somebody has just written is not replaced', async (t) => {
  const dir = t.testdir({ [list]: calico })
  const path = join(dir, list)
  const ours = Buffer.from('ours')
  t.notOk(replaceFile({ path, content: ours, expected: Buffer.from('what was read') }))
  t.strictSame(content(dir), { [list]: calico }, 'and nothing is left lying about')
  t.ok(replaceFile({ path, content: ours, expected: Buffer.from(calico) }))
  t.strictSame(content(dir), { [list]: 'ours' })
  // A write that fails leaves the old file, too.
  mkdirSync(join(dir, 'directory'))
  t.throws(() => replaceFile({ path: join(dir, 'directory'), content: ours, mode: 0o644 }))
  t.strictSame(readdirSync(dir), [list, 'directory'])
})

void test('what its owner does between the last look and the swap is not undone', async (t) => {
  const dir = t.testdir({ [list]: 'newer', ours: 'ours' })
  const path = join(dir, list)
  const ours = join(dir, 'ours')
  const read = Buffer.from('what was read')
  t.notOk(swapIn(ours, path, Buffer.from('ours'), read))
  t.strictSame(content(dir), { [list]: 'newer', ours: 'ours' })
  rmSync(path)
  t.notOk(swapIn(ours, path, Buffer.from('ours'), read))
  t.strictSame(content(dir), { ours: 'ours' }, 'a file that was removed does not come back')
})
