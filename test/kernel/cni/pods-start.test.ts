import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { pluginType } from '../../../cni/conflist.ts'
import { readChainState } from '../../../src/lib/cni-chain-state.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { CniNode, rules } from '../../helpers/cni-runtime.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

const single = '{"cniVersion": "1.0.0", "name": "pods", "type": "ptp"}'
const list = `{"cniVersion": "1.0.0", "name": "pods", "plugins": [${single}]}`
const multus = `{"cniVersion": "1.0.0", "name": "pods", "type": "multus", "delegates": [${list}]}`

const nodes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a list': { '10-net.conflist': list },
  'a single plugin': { '10-net.conf': single },
  'a meta-plugin': { '00-multus.conf': multus, '10-net.conflist': list },
}

for (const rule of rules) {
  for (const [what, files] of Object.entries(nodes)) {
    void test(`${rule}, ${what}: pods start before, during and after`, async (t) => {
      if (!requireRoot(t)) return
      const node = new CniNode(t, ['ptp', 'multus'], files)
      const [name = ''] = Object.keys(files)
      const path = join(node.conf, name)
      // A provider writes by rename. A write in place would make its own pods fail for a moment.
      const rewrite = (): void => {
        writeFileSync(`${path}.new`, files[name] ?? '')
        renameSync(`${path}.new`, path)
      }
      const statePath = join(node.root, 'cni-chain.json')
      const isChained = (): boolean => node.run('crio', '').types?.at(-1) === pluginType
      const keep = async (work: () => Promise<void>): Promise<void> => {
        const end = new AbortController()
        const argv = ['cni', 'install', '--watch', ...node.places]
        const kept = runCommand(argv, { signal: end.signal })
        await until('it is chained in', () => readChainState(statePath)?.state === 'chained')
        await work()
        end.abort()
        await kept
      }
      const places = [...node.places, '--cache-dir', node.cache, '--grace', '2']
      const {
        errors,
        pods = 0,
        seen,
      } = await node.hammer(rule, async () => {
        t.match(await runCommand(['cni', 'install', ...node.places]), { code: 0 })
        rewrite()
        t.match(await runCommand(['cni', 'install', ...node.places]), { code: 0 })
        await keep(async () => {
          rewrite()
          await until('it is back', isChained)
        })
        t.match(await runCommand(['cni', 'uninstall', ...places]), { code: 0 })
      })
      t.strictSame(errors ?? [], [])
      t.ok(pods > 3, `${pods} pods`)
      t.equal(seen?.length, 2, 'some with our plugin, and some without')
      await keep(async () => {
        // Nothing can prevent failing pods until the keeper's next check.
        rmSync(join(node.bin, pluginType))
        await until('the binary is back', isChained)
      })
      t.match(await runCommand(['cni', 'uninstall', ...places]), { code: 0 })
      t.equal(node.run(rule).errors, undefined)
    })
  }
}

void test('CRI-O disconnects a pod by the chain that connected it, also after we have gone', async (t) => {
  if (!requireRoot(t)) return
  const node = new CniNode(t, ['ptp'], { '10-net.conflist': list })
  const places = [...node.places, '--cache-dir', node.cache, '--grace', '0']
  await runCommand(['cni', 'install', ...node.places])
  t.equal(node.run('crio', 'add').errors, undefined)
  t.match(await runCommand(['cni', 'uninstall', ...places]), { stderr: /stays.*to remove 1 pods/ })
  t.equal(node.run('crio', 'del').errors, undefined)
  t.match(await runCommand(['cni', 'uninstall', ...places]), { stderr: /the plugin is removed/ })
})
