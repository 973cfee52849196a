import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { hasPlugin, pluginType } from '../../../cni/conflist.ts'
import { CniNode, rules } from '../../helpers/cni-runtime.ts'
import { Faults } from '../../helpers/faults.ts'

const list = '{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp"}]}'
const single = '{"cniVersion": "1.0.0", "name": "pods", "type": "ptp"}'

/** Fails unless both runtimes start and remove pods now, in the network that they would have without us. */
function startsPods(t: Test, node: CniNode, what: string): void {
  for (const rule of rules) {
    const { network, errors } = node.run(rule)
    if (network !== 'pods' || errors) t.fail(`${what}: ${rule}: ${network} ${errors?.join(', ')}`)
  }
}

function isChained({ conf }: CniNode): boolean {
  return readdirSync(conf)
    .filter((name) => name.endsWith('.conflist'))
    .some((name) => hasPlugin(readFileSync(join(conf, name), 'latin1')))
}

const cases = [
  { verb: 'install', on: 'a list', files: { '10-a.conflist': list }, installed: false },
  { verb: 'install', on: 'a single plugin', files: { '10-a.conf': single }, installed: false },
  { verb: 'install', on: 'an older build', files: { '10-a.conflist': list }, installed: true },
  { verb: 'uninstall', on: 'a list', files: { '10-a.conflist': list }, installed: true },
  { verb: 'uninstall', on: 'a single plugin', files: { '10-a.conf': single }, installed: true },
] as const

for (const { verb, on, files, installed } of cases) {
  void test(`${verb} on ${on}, killed at every step`, async (t) => {
    const node = new CniNode(t, ['ptp'], files)
    const places = ['--conf-dir', node.conf, '--bin-dir', node.bin]
    const rest = verb === 'uninstall' ? ['--cache-dir', node.cache, '--grace', '0'] : []
    const argv = ['cni', verb, ...places, ...rest]
    using faults = new Faults(node.root)
    const succeeds = async (args: readonly string[], what: string): Promise<readonly string[]> => {
      const { code, log, steps } = await faults.run(args)
      t.equal(code, 0, `${what}: ${log}`)
      t.equal(isChained(node), args.includes('install'), what)
      return steps
    }

    if (installed) await succeeds(['cni', 'install', ...places], 'before')
    const binary = join(node.bin, pluginType)
    // A plugin that works and differs.
    if (installed) writeFileSync(binary, Buffer.concat([readFileSync(binary), Buffer.alloc(1)]))
    const saved = `${node.root}-before`
    cpSync(node.root, saved, { recursive: true })
    t.teardown(() => rmSync(saved, { recursive: true, force: true }))

    const steps = await succeeds(argv, 'undisturbed')
    startsPods(t, node, 'undisturbed')
    t.ok(steps.length > (installed ? 0 : 1))
    for (const [index, step] of steps.entries()) {
      const what = `killed at ${step.replace(node.root, '')}`
      rmSync(node.root, { recursive: true })
      cpSync(saved, node.root, { recursive: true })
      const { code } = await faults.run(argv, { name: '*', nth: index + 1 }, 'kill')
      t.equal(code, null, what)
      startsPods(t, node, what)
      await succeeds(argv, `${what}, and once more`)
      const left = [node.conf, node.bin].flatMap((directory) => readdirSync(directory))
      if (verb === 'uninstall') t.notMatch(left.join(' '), /meshaccel/, 'nothing is left')
    }
  })
}
