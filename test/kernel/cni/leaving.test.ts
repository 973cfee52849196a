import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { besideName } from '../../../cni/conf-dir.ts'
import { pluginType } from '../../../cni/conflist.ts'
import { uninstall, type Uninstalled } from '../../../cni/uninstall.ts'
import { chain, content, nodeWith, types, type CniDirs } from '../../helpers/cni-dirs.ts'
import { listWith } from '../../helpers/cni-installers.ts'

const calico = '10-calico.conflist'
const list = listWith('calico')

/** The file that multus-cni's auto-configuration makes from the first file of another owner (pkg/server/config). */
function multusInstalls({ conf }: CniDirs, master = calico): void {
  const delegate: object = JSON.parse(readFileSync(join(conf, master), 'utf8'))
  const multus = {
    cniVersion: '0.3.1',
    name: 'multus-cni-network',
    type: 'multus',
    delegates: [delegate],
  }
  writeFileSync(join(conf, '00-multus.conf'), JSON.stringify(multus), { mode: 0o600 })
}

const multusLeaves = ({ conf }: CniDirs): void => rmSync(join(conf, '00-multus.conf'))

function nodeOf(t: Test): CniDirs & { leave: (onWait?: () => void) => Promise<Uninstalled> } {
  const dirs = nodeWith(t, { [calico]: list }, ['calico', 'multus', 'cilium-cni'])
  return {
    ...dirs,
    leave: (onWait = () => {}) =>
      uninstall({
        confDir: dirs.conf,
        binDirs: [dirs.bin],
        cacheDir: join(dirs.conf, '../cache'),
        graceMs: 1,
        onWait,
      }),
  }
}

const hasBinary = ({ bin }: CniDirs): boolean => existsSync(join(bin, pluginType))

void test('Multus comes after us and leaves before us', async (t) => {
  const node = nodeOf(t)
  chain(node)
  multusInstalls(node)
  t.match(chain(node), { file: '00-multus.conf', entry: 'there', written: false })
  t.notOk(existsSync(join(node.conf, besideName('00-multus.conf'))), 'once is enough')
  // Multus's owner renews the embedded chain.
  writeFileSync(join(node.conf, calico), list)
  t.match(chain(node), { file: '00-multus.conf', written: true })
  t.strictSame(types(node.conf, calico), ['calico', pluginType])
  multusLeaves(node)
  t.match(chain(node), { file: calico, entry: 'there', written: false })
  t.match(await node.leave(), { changed: [calico], namedIn: [] })
  t.strictSame(content(node.conf), { [calico]: list })
  t.notOk(hasBinary(node))
})

void test('Multus comes after us and stays: the binary stays as long as it embeds our entry', async (t) => {
  const node = nodeOf(t)
  chain(node)
  multusInstalls(node)
  t.match(await node.leave(), { changed: [calico], namedIn: ['00-multus.conf'] })
  t.equal(content(node.conf)[calico], list)
  t.ok(hasBinary(node))
  multusInstalls(node)
  t.match(await node.leave(), { changed: [], binaries: [node.bin], namedIn: [] })
  t.notOk(hasBinary(node))
})

void test('Multus is there first, and leaves before us', async (t) => {
  const node = nodeOf(t)
  multusInstalls(node)
  const ours = besideName('00-multus.conf')
  t.match(chain(node), { file: ours, besides: '00-multus.conf' })
  multusInstalls(node)
  t.match(chain(node), { file: ours, written: false })
  multusLeaves(node)
  t.match(chain(node), { file: calico, entry: 'inserted' })
  t.notOk(existsSync(join(node.conf, ours)))
  await node.leave()
  t.strictSame(content(node.conf), { [calico]: list })
})

void test('Multus is there first, and leaves after us', async (t) => {
  const node = nodeOf(t)
  multusInstalls(node)
  const before = content(node.conf)
  chain(node)
  await node.leave()
  t.strictSame(content(node.conf), before)
  multusLeaves(node)
  t.strictSame(content(node.conf), { [calico]: list }, 'nothing comes back')
  t.notOk(hasBinary(node))
})

void test('a meta-plugin that has taken our list for its master keeps it, and that follows its owner', async (t) => {
  const single = '{"cniVersion": "1.0.0", "name": "pods", "type": "calico"}'
  const node = nodeOf(t)
  renameSync(join(node.conf, calico), join(node.conf, '10-calico.conf'))
  writeFileSync(join(node.conf, '10-calico.conf'), single)
  const ours = besideName('10-calico.conf')
  chain(node)
  multusInstalls(node, ours)
  t.match(chain(node), { file: '00-multus.conf', entry: 'there', written: false })
  t.ok(existsSync(join(node.conf, ours)))
  writeFileSync(join(node.conf, '10-calico.conf'), single.replace('}', ', "mtu": 1400}'))
  t.match(chain(node), { file: '00-multus.conf', written: true })
  t.match(JSON.parse(content(node.conf)[ours] ?? ''), { plugins: [{ mtu: 1400 }, {}] })
  rmSync(join(node.conf, '10-calico.conf'))
  chain(node)
  t.notOk(existsSync(join(node.conf, ours)), 'it goes with its owner')
})

void test("Cilium's backups: our entry is taken out of them, or the binary stays", async (t) => {
  const node = nodeOf(t)
  chain(node)
  // cilium daemon/cmd/cni/config.go: it sets others' files aside and makes its own from one of them.
  const backup = `${calico}.cilium_bak`
  renameSync(join(node.conf, calico), join(node.conf, backup))
  const ciliumInstalls = (): void => {
    const theirs: { plugins: object[] } = JSON.parse(readFileSync(join(node.conf, backup), 'utf8'))
    const merged = { ...theirs, plugins: [...theirs.plugins, { type: 'cilium-cni' }] }
    writeFileSync(join(node.conf, '05-cilium.conflist'), JSON.stringify(merged))
  }
  ciliumInstalls()
  t.match(chain(node), { file: '05-cilium.conflist', entry: 'there' })
  t.match(await node.leave(), { changed: [backup, '05-cilium.conflist'], namedIn: [] })
  ciliumInstalls()
  t.strictSame(types(node.conf, '05-cilium.conflist'), ['calico', 'cilium-cni'])
  t.notOk(hasBinary(node))

  // It read the backup before we removed our entry, and writes its own file afterwards.
  chain(node)
  renameSync(join(node.conf, '05-cilium.conflist'), join(node.conf, backup))
  const stale = readFileSync(join(node.conf, backup))
  const left = await node.leave(() => writeFileSync(join(node.conf, '05-cilium.conflist'), stale))
  t.match(left, { namedIn: ['05-cilium.conflist'] })
  t.ok(hasBinary(node))
})

void test('a list of ours that another program has set aside goes, too', async (t) => {
  const node = nodeWith(t, { '10-a.conf': '{"cniVersion": "1.0.0", "name": "a", "type": "a"}' }, [
    'a',
  ])
  chain(node)
  const ours = besideName('10-a.conf')
  renameSync(join(node.conf, ours), join(node.conf, `${ours}.cilium_bak`))
  const options = { confDir: node.conf, binDirs: [node.bin], cacheDir: '/none', graceMs: 0 }
  t.match(await uninstall({ ...options, onWait: () => {} }), { namedIn: [], records: 0 })
  t.strictSame(Object.keys(content(node.conf)), ['10-a.conf'])
})

function write(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
}

/** A record in libcni's format. */
const attachment = (plugins: string): string =>
  JSON.stringify({ kind: 'cniCacheV1', config: Buffer.from(plugins).toString('base64') })

void test('the binary stays while anything below the directories names it', async (t) => {
  const node = nodeOf(t)
  const cache = join(node.conf, '../cache')
  const ours = '[{"type":"meshaccel-cni"}]'
  const cases = [
    // libcni 1.3 loads a list's plugins from a directory.
    [
      join(node.conf, 'pods/90-accel.conf'),
      '{"type": "meshaccel-cni"}',
      { namedIn: ['pods/90-accel.conf'] },
    ],
    [join(node.conf, 'whereabouts.d/a.txt'), `x ${ours}`, { namedIn: ['whereabouts.d/a.txt'] }],
    [join(cache, 'results/pods-a-eth0'), attachment(ours), { records: 1 }],
    // Multus's record of a pod: pkg/multus, saveDelegates.
    [join(cache, 'multus/c0ffee'), `[{"Conf": {"plugins": ${ours}}}]`, { records: 1 }],
  ] as const
  write(join(cache, 'results/pods-b-eth0'), attachment('[{"type":"ptp"}]'))
  write(join(cache, 'results/rubbish'), '}')
  write(join(cache, 'networks/pods/10.1.2.3'), 'c0ffee\r\neth0')
  chain(node)
  for (const [path, text, expected] of cases) {
    write(path, text)
    t.match(await node.leave(), expected)
    t.ok(hasBinary(node), path)
    rmSync(path)
  }
  t.match(await node.leave(), { namedIn: [], records: 0 })
  t.notOk(hasBinary(node))
})

void test("uninstall leaves a provider's newer file alone", async (t) => {
  const node = nodeWith(t, { '10-a.conf': '{"cniVersion": "1.0.0", "name": "a", "type": "a"}' }, [
    'a',
  ])
  chain(node)
  const newer = '{"cniVersion": "1.0.0", "name": "a", "type": "a", "mtu": 9000}'
  writeFileSync(join(node.conf, '10-a.conf'), newer)
  const options = { confDir: node.conf, binDirs: [node.bin], cacheDir: '/none', graceMs: 0 }
  await uninstall({ ...options, onWait: () => {} })
  t.strictSame(content(node.conf), { '10-a.conf': newer })
})
