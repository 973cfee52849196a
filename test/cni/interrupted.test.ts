import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { firstNetwork, hasPlugin, pluginType, type ConfFile } from '../../cni/conflist.ts'
import { configuration, runPluginSync } from '../helpers/cni-plugin.ts'
import { Faults } from '../helpers/faults.ts'

const list = '{"name": "pods", "plugins": [{"type": "ptp"}]}'
const single = '{"name": "pods", "type": "ptp"}'

function confFiles(root: string): ConfFile[] {
  const conf = join(root, 'conf')
  return readdirSync(conf).map((name) => ({ name, text: readFileSync(join(conf, name), 'utf8') }))
}

/** Fails unless a runtime could start and remove pods now: there is a network, and our plugin works if it is in it. */
function startsPods(t: Test, root: string, what: string): void {
  const network = firstNetwork(confFiles(root))
  if (!network) return void t.fail(`${what}: there is no network`)
  if (!hasPlugin(network.text)) return
  const program = join(root, 'bin', pluginType)
  if (!existsSync(program)) return void t.fail(`${what}: ${network.name} names a missing plugin`)
  for (const command of ['ADD', 'DEL']) {
    const { code, stderr } = runPluginSync({ command, program, input: configuration() })
    if (code !== 0) t.fail(`${what}: ${command} exits with ${code}: ${stderr}`)
  }
}

const cases = [
  { verb: 'install', on: 'a list', file: '10-net.conflist', installed: false },
  { verb: 'install', on: 'a single plugin', file: '10-net.conf', installed: false },
  { verb: 'install', on: 'a node with an older build', file: '10-net.conflist', installed: true },
  { verb: 'uninstall', on: 'a list', file: '10-net.conflist', installed: true },
  { verb: 'uninstall', on: 'a single plugin', file: '10-net.conf', installed: true },
] as const

for (const { verb, on, file, installed } of cases) {
  void test(`${verb} on ${on}, killed at every step`, async (t) => {
    const directory = t.testdir({ now: {} })
    const root = join(directory, 'now')
    const places = ['--conf-dir', join(root, 'conf'), '--bin-dir', join(root, 'bin')]
    const cache = verb === 'uninstall' ? ['--cache-dir', join(root, 'cache')] : []
    const argv = ['cni', verb, ...places, ...cache]
    using faults = new Faults(root)
    const succeeds = async (args: readonly string[], what: string): Promise<readonly string[]> => {
      const { code, log, steps } = await faults.run(args)
      t.equal(code, 0, `${what}: ${log}`)
      startsPods(t, root, what)
      const chained = confFiles(root).some(({ text }) => hasPlugin(text))
      t.equal(chained, args.includes('install'), what)
      return steps
    }

    mkdirSync(join(root, 'conf'))
    writeFileSync(join(root, 'conf', file), file.endsWith('.conf') ? single : list)
    if (installed) await succeeds(['cni', 'install', ...places], 'before')
    const binary = join(root, 'bin', pluginType)
    // One that works and is another one.
    if (installed) writeFileSync(binary, Buffer.concat([readFileSync(binary), Buffer.alloc(1)]))
    const saved = join(directory, 'before')
    cpSync(root, saved, { recursive: true })

    const steps = await succeeds(argv, 'undisturbed')
    t.ok(steps.length > (installed ? 0 : 1))
    for (const [index, step] of steps.entries()) {
      const what = `killed at ${step.replace(root, '')}`
      rmSync(root, { recursive: true })
      cpSync(saved, root, { recursive: true })
      const { code } = await faults.run(argv, { name: '*', nth: index + 1 }, 'kill')
      t.equal(code, null, what)
      startsPods(t, root, what)
      await succeeds(argv, `${what}, and once more`)
    }
  })
}
