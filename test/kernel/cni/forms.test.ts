import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { pluginType } from '../../../cni/conflist.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { CniNode, rules, type RuntimeRun } from '../../helpers/cni-runtime.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { forms } from './forms.ts'

function bytesIn(directory: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'latin1')]),
  )
}

/** The parts that matter to a pod; messages contain paths. */
function outcome({ network, types, errors }: RuntimeRun): object {
  const others = types?.filter((type) => type !== pluginType)
  return { network, others, failures: errors?.length ?? 0 }
}

for (const { name, source, files, plugins, chained, refused } of forms) {
  void test(`${name} (${source})`, async (t) => {
    if (!requireRoot(t)) return
    const node = new CniNode(t, plugins, files)
    const elsewhere = join(node.root, 'elsewhere')
    node.plugins(['ptp', 'portmap'], elsewhere)
    // The directories where this node's runtime looks for plugins.
    const runtimeDir = plugins.length > 0 ? node.bin : elsewhere
    const runs = (): RuntimeRun[] =>
      rules.map((rule) => node.run(rule, 'add,del', 'pod-0', runtimeDir))
    const before = { files: bytesIn(node.conf), runs: runs() }
    // Each form is a network for at least one of the two runtimes, unless Go cannot read it.
    if (!/not JSON/.test(String(refused))) t.ok(before.runs.some(({ errors }) => !errors))

    const install = await runCommand(['cni', 'install', ...node.places])
    const installed = runs()
    t.strictSame(installed.map(outcome), before.runs.map(outcome), 'as without us')
    if (refused) {
      t.match(install, { code: 1, stderr: refused })
      t.strictSame(bytesIn(node.conf), before.files)
    } else {
      t.match(install, { code: 0, stderr: `chained into ${chained}\n` })
      const told = installed.filter(({ errors }) => !errors).map(({ types }) => types?.at(-1))
      t.ok(told.length > 0)
      t.ok(
        told.every((last) => last === pluginType),
        'each runtime that works tells us of its pods',
      )
    }
    const places = [...node.places, '--cache-dir', node.cache, '--grace', '0']
    t.match(await runCommand(['cni', 'uninstall', ...places]), { code: 0 })
    t.strictSame(bytesIn(node.conf), before.files, 'to the byte')
    t.strictSame(runs().map(outcome), before.runs.map(outcome))
    t.notOk(readdirSync(node.bin).includes(pluginType))
  })
}
