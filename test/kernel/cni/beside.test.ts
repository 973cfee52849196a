import {
  chmodSync,
  chownSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { besideName, chainOut, isBeside } from '../../../cni/conf-dir.ts'
import { pluginType } from '../../../cni/conflist.ts'
import { chain, content, nodeWith, types } from '../../helpers/cni-dirs.ts'
import { listWith } from '../../helpers/cni-installers.ts'
import { requireRoot } from '../../helpers/requirements.ts'

const single = '{"cniVersion": "0.4.0", "name": "ovn-kubernetes", "type": "ovn-k8s-cni-overlay"}\n'
const plugins = ['ovn-k8s-cni-overlay', 'multus', 'ptp', 'istio-cni']

void test('our list stands just before the file, which stays as it is', async (t) => {
  if (!requireRoot(t)) return
  for (const name of ['10-ovn-kubernetes.conf', '10-ovn-kubernetes.json', '1.conf']) {
    const node = nodeWith(t, { [name]: single, '20-other.conf': single }, plugins)
    const path = join(node.conf, name)
    chmodSync(path, 0o600)
    chownSync(path, 7, 8)
    const { ino, mtimeMs } = statSync(path)
    const ours = besideName(name)
    t.match(chain(node), { file: ours, besides: name, entry: 'inserted' })
    t.match(chain(node), { file: ours, besides: name, entry: 'there', written: false })
    t.strictSame(readdirSync(node.conf).toSorted(), [ours, name, '20-other.conf'])
    t.match(statSync(path), { ino, mtimeMs })
    t.match(statSync(join(node.conf, ours)), { mode: 0o100600, uid: 7, gid: 8 })
    t.strictSame(types(node.conf, ours), ['ovn-k8s-cni-overlay', pluginType])
    t.strictSame(chainOut(node.conf), [ours])
    t.strictSame(content(node.conf), { [name]: single, '20-other.conf': single })
  }
})

void test('it is one of the names that Multus takes for its own', async (t) => {
  const name = besideName('00-multus.conf')
  // multus-cni pkg/server/config/generator.go: a prefix; images/entrypoint.sh: grep -Ev.
  t.ok(name.startsWith('00-multus'))
  t.match(name, /00-multus\.conf/)
  t.ok(name < '00-multus.conf')
})

void test('which names are of ours', async (t) => {
  t.ok(isBeside('10-a-meshaccel-10-a.conflist'))
  t.notOk(isBeside('10-a-meshaccel-10-b.conflist'))
  t.notOk(isBeside('10-a-meshaccel-10-a.conflist.cilium_bak'))
  t.ok(isBeside('10-a-meshaccel-10-a.conflist.cilium_bak', false))
})

void test("it follows its owner's writes, and goes when it goes", async (t) => {
  const node = nodeWith(t, { '10-ovn.conf': single }, plugins)
  const path = join(node.conf, '10-ovn.conf')
  const ours = besideName('10-ovn.conf')
  chain(node)
  const renewed = single.replace('0.4.0', '1.0.0').replace('overlay"', 'overlay", "mtu": 1400')
  writeFileSync(path, renewed)
  t.match(chain(node), { entry: 'there', written: true })
  t.match(JSON.parse(content(node.conf)[ours] ?? ''), {
    cniVersion: '1.0.0',
    plugins: [{ mtu: 1400 }, { type: pluginType }],
  })
  chmodSync(path, 0o640)
  chain(node)
  t.equal(statSync(join(node.conf, ours)).mode & 0o777, 0o640)

  rmSync(path)
  t.throws(() => chain(node), { code: 'NO_CNI_NETWORK' })
  t.strictSame(readdirSync(node.conf), [])

  // Its owner turns it into a list, as Linkerd does with others' files.
  writeFileSync(path, single)
  chain(node)
  renameSync(path, `${path}list`)
  writeFileSync(`${path}list`, listWith('ptp'))
  t.match(chain(node), { file: '10-ovn.conflist' })
  t.strictSame(readdirSync(node.conf), ['10-ovn.conflist'])

  // Another network comes before it, also between our list and the file.
  for (const other of ['05-cilium.conflist', '10-ovn-z.conflist']) {
    const two = nodeWith(t, { '10-ovn.conf': single }, plugins)
    chain(two)
    writeFileSync(join(two.conf, other), listWith('ptp'))
    t.match(chain(two), { file: other })
    t.strictSame(readdirSync(two.conf), [other, '10-ovn.conf'].toSorted())
  }
})

void test('what another installer adds to it stays, and an older copy never comes back', async (t) => {
  const node = nodeWith(t, { '10-ovn.conf': single }, plugins)
  const ours = besideName('10-ovn.conf')
  chain(node)
  const list: { plugins: object[] } = JSON.parse(content(node.conf)[ours] ?? '')
  const joined = { ...list, plugins: [...list.plugins, { type: 'istio-cni' }] }
  writeFileSync(join(node.conf, ours), JSON.stringify(joined, undefined, 2))
  t.match(chain(node), { written: false })
  const renewed = single.replace('overlay"', 'overlay", "mtu": 1400')
  writeFileSync(join(node.conf, '10-ovn.conf'), renewed)
  chain(node)
  t.strictSame(types(node.conf, ours), ['ovn-k8s-cni-overlay', 'istio-cni', pluginType])
  chainOut(node.conf)
  t.strictSame(content(node.conf), { '10-ovn.conf': renewed })
})

void test('a file that no list can stand for stays alone', async (t) => {
  const cases: [string, RegExp][] = [
    ['{"cniVersion": "1.0.0", "type": "ptp"}', /no `name`/],
    ['{"cniVersion": "1.0.0", "name": "", "type": "ptp"}', /no `name`/],
    ['{"name": "a", "type": "ptp"}', /is none, and/],
    ['{"cniVersion": "", "name": "a", "type": "ptp"}', /is none, and/],
    ['{"cniVersion": "0.1.0", "name": "a", "type": "ptp"}', /is 0\.1\.0, and/],
    ['{"cniVersion": "0.2.0", "name": "a", "type": "ptp"}', /is 0\.2\.0, and/],
  ]
  for (const [text, message] of cases) {
    const node = nodeWith(t, { '10-a.conf': single }, plugins)
    chain(node)
    // This also works if another network was first before.
    writeFileSync(join(node.conf, '10-a.conf'), text)
    t.throws(() => chain(node), { code: 'CNI_UNCHAINABLE', message, hint: /without the plugin/ })
    t.strictSame(content(node.conf), { '10-a.conf': text })
  }
})
