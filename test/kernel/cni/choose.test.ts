import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { choose } from '../../../cni/choose.ts'
import { othersIn, readConfDir } from '../../../cni/conf-dir.ts'
import { pluginType } from '../../../cni/conflist.ts'
import { directoriesWith } from '../../../cni/plugin-dirs.ts'
import { chain, content, nodeWith } from '../../helpers/cni-dirs.ts'
import { listWith } from '../../helpers/cni-installers.ts'

const list = listWith('ptp')
const single = '{"cniVersion": "1.0.0", "name": "pods", "type": "ptp"}'

void test('the first file that can be used, in the order of bytes', async (t) => {
  const unusable = {
    '00-broken.conflist': '{"plugins": [',
    '00-kubeconfig': single,
    '01-empty.conflist': '{"name": "a", "plugins": []}',
    '02-list.conf': list,
    '03-alone.conflist': listWith(pluginType),
    '03-nameless.conflist': '{"plugins": [{"type": "ptp"}]}',
    '03-number.conflist': '{"name": 5, "plugins": [{"type": "ptp"}]}',
    '03-typeless.conflist': '{"name": "a", "plugins": [{"type": ""}]}',
    '03-version.conflist': '{"name": "a", "cniVersion": 1, "plugins": [{"type": "ptp"}]}',
    '03-kind.conflist': '{"name": "a", "plugins": [{"type": "ptp", "ipam": []}]}',
    '03-null.conflist': '{"name": "a", "disableGC": null, "plugins": [{"type": "ptp"}]}',
    '03-check.conflist': '{"name": "a", "disableCheck": "yes", "plugins": [{"type": "ptp"}]}',
    '03-alone-a.conflist': '{"name": "a"}',
    '03-deep.conf': `{"type": "ptp", "a": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    '.00-a.conflist.meshaccel-1a': list,
    '04-a.CONF': single,
    '04-a.conf.bak': single,
  }
  const usable = ['04-Z.conf', '04-json.json', '05-single.conf', '10-a.conflist', '9-b.conflist']
  const files = Object.fromEntries(
    usable.map((name) => [name, name.endsWith('.conflist') ? list : single]),
  )
  const node = nodeWith(t, { ...unusable, ...files }, ['ptp'])
  const chosen = (): string => {
    const others = othersIn(readConfDir(node.conf))
    return choose(others, node.conf, [node.bin]).network.file.name
  }
  for (const name of usable) {
    t.equal(chosen(), name)
    const { file, besides } = chain(node)
    t.equal(besides ?? file, name)
    rmSync(join(node.conf, name))
  }
  t.throws(() => chain(node), {
    code: 'NO_CNI_NETWORK',
    message: /00-broken\.conflist: .* not JSON/,
  })
  t.strictSame(content(node.conf)['00-kubeconfig'], single)
})

void test('versions that the plugin does not speak are left to others', async (t) => {
  const cases: [Record<string, unknown>, RegExp | undefined][] = [
    [{ cniVersion: '1.1.0' }, undefined],
    [{ cniVersion: '0.3.0', cniVersions: ['1.0.0', '1.1.0'] }, undefined],
    [{ cniVersions: ['0.4.0'] }, undefined],
    [{}, /is none/],
    [{ cniVersion: null }, /not a string/],
    [{ cniVersion: '0.2.0' }, /is 0\.2\.0/],
    [{ cniVersion: '1.0.0', cniVersions: ['1.2.0'] }, /is 1\.2\.0/],
  ]
  for (const [versions, message] of cases) {
    const text = JSON.stringify({ name: 'a', ...versions, plugins: [{ type: 'ptp' }] })
    const node = nodeWith(t, { '10-a.conflist': text }, ['ptp'])
    if (message) t.throws(() => chain(node), { message }, text)
    else t.match(chain(node), { entry: 'inserted' }, text)
  }
})

void test('plugins in a directory beside the list', async (t) => {
  const node = nodeWith(t, { '10-a.conflist': '{"name": "a", "cniVersion": "1.1.0"}' }, ['ptp'])
  mkdirSync(join(node.conf, 'a'))
  writeFileSync(join(node.conf, 'a/1.conf'), single)
  t.throws(() => chain(node), { code: 'CNI_UNCHAINABLE', message: /directory of their own/ })
})

void test('where the plugins are', async (t) => {
  const { bin } = nodeWith(t, {}, ['ptp', 'portmap'])
  const other = nodeWith(t, {}, ['ptp']).bin
  mkdirSync(join(bin, 'directory'))
  symlinkSync('ptp', join(bin, 'inside'))
  symlinkSync('gone', join(bin, 'dangling'))
  symlinkSync('/not/in/this/container/cni', join(bin, 'absolute'))
  symlinkSync('../../hash/bin/cni', join(bin, 'relative'))
  for (const type of ['ptp', 'inside', 'absolute', 'relative']) {
    t.strictSame(directoriesWith([type], [bin]), [bin], type)
  }
  for (const type of ['directory', 'dangling', 'none', '../bin/ptp']) {
    t.strictSame(directoriesWith(['ptp', type], [bin]), [], type)
  }
  t.strictSame(directoriesWith(['ptp'], ['/none', bin, other]), [bin, other])
  t.strictSame(directoriesWith(['ptp', 'portmap'], [other, bin]), [bin])
})

void test('a list whose plugins are elsewhere is refused, and nothing is written', async (t) => {
  // A GKE node keeps its plugins in /home/kubernetes/bin.
  const node = nodeWith(t, { '10-gke.conflist': listWith('gke', 'portmap') }, ['portmap'])
  const before = content(node.conf)
  const error = {
    code: 'CNI_PLUGINS_ELSEWHERE',
    message: /10-gke\.conflist runs plugins that are not there: .*bin has no gke/,
    hint: /--bin-dir \(in the chart: cni\.binDir\)/,
  }
  t.throws(() => chain(node), error)
  t.strictSame(content(node.conf), before)
  t.strictSame(Object.keys(content(node.bin)), ['portmap'])
})

void test('where CRI-O and containerd differ, it says so', async (t) => {
  const files = { '10-a.conflist': listWith('a'), '20-ptp.conflist': list }
  const node = nodeWith(t, files, ['ptp'])
  t.match(chain(node), {
    file: '20-ptp.conflist',
    doubt: /10-a\.conflist runs plugins .* has no a\./,
  })
  t.equal(content(node.conf)['10-a.conflist'], files['10-a.conflist'])
})
