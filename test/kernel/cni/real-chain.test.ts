import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { withPlugin } from '../../../cni/conflist.ts'
import { resolveNetns, type ResolvedNetns } from '../../../src/datapath/netns/netns.ts'
import { createLog } from '../../../src/lib/log.ts'
import type { CniPod } from '../../../src/sources/cni/message.ts'
import { CniServer } from '../../../src/sources/cni/server.ts'
import { cniPlugin, socketPath } from '../../helpers/cni-plugin.ts'
import { requireRoot } from '../../helpers/requirements.ts'

interface List {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly { readonly type: string }[]
}

interface Result {
  readonly ips: readonly { readonly address: string }[]
}

/** Runs a chain as libcni does, in a network namespace that stands for the node. */
class Runtime {
  readonly #list: List
  readonly #node: string
  readonly #netns: string

  constructor(list: string, node: string, netns: string) {
    this.#list = JSON.parse(list)
    this.#node = node
    this.#netns = netns
  }

  async add(): Promise<Result> {
    let prevResult: Result | undefined
    for (const plugin of this.#list.plugins) {
      prevResult = JSON.parse(await this.#run('ADD', plugin, prevResult))
    }
    if (!prevResult) throw new Error('the list is empty')
    return prevResult
  }

  async delete(prevResult: Result): Promise<void> {
    for (const plugin of this.#list.plugins.toReversed()) {
      await this.#run('DEL', plugin, prevResult)
    }
  }

  #run(command: string, plugin: List['plugins'][number], prevResult?: Result): Promise<string> {
    const { cniVersion, name } = this.#list
    const program = plugin.type === 'meshaccel-cni' ? cniPlugin : join('/usr/lib/cni', plugin.type)
    const child = spawn('nsenter', [`--net=${this.#node}`, program], {
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: 'c0ffee',
        CNI_NETNS: this.#netns,
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/usr/lib/cni',
        CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0',
        PATH: process.env['PATH'] ?? '',
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    let stdout = ''
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
    child.stdin.end(JSON.stringify({ ...plugin, cniVersion, name, prevResult }))
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => {
        if (code === 0) resolve(stdout)
        else reject(new Error(`${command} of ${plugin.type} failed: ${stdout}`))
      })
    })
  }
}

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' })

function namespace(t: Test, name: string): string {
  const unique = `meshaccel-test-${process.pid}-${name}`
  ip('netns', 'add', unique)
  t.teardown(() => {
    ip('netns', 'delete', unique)
  })
  return `/run/netns/${unique}`
}

void test('a pod is known, with its network, before its start goes on', async (t) => {
  if (!requireRoot(t)) return
  const socket = socketPath(t)
  const added: { readonly pod: CniPod; readonly netns: ResolvedNetns }[] = []
  const removed: string[] = []
  const server = await CniServer.listen(
    socket,
    {
      added: async (pod) => void added.push({ pod, netns: resolveNetns({ path: pod.netnsPath }) }),
      removed: (containerId) => void removed.push(containerId),
      retained: () => undefined,
    },
    createLog('silent'),
  )
  t.teardown(() => server.close())

  const ipam = {
    type: 'host-local',
    dataDir: t.testdir(),
    ranges: [[{ subnet: '10.244.77.0/24' }]],
  }
  const plugins = [{ type: 'ptp', ipMasq: false, ipam }]
  const network = JSON.stringify({ cniVersion: '1.0.0', name: `pods-${process.pid}`, plugins })
  const list = withPlugin(network, { type: 'meshaccel-cni', socket })
  const netns = namespace(t, 'pod')
  const runtime = new Runtime(list, namespace(t, 'node'), netns)

  const result = await runtime.add()
  const ips = result.ips.map(({ address }) => address.replace('/24', ''))
  t.match(ips, [/^10\.244\.77\.\d+$/])
  // The addresses come from the plugin: the interface is often not up yet.
  const { netnsCookie } = resolveNetns({ path: netns })
  t.match(added, [{ pod: { namespace: 'shop', name: 'cart-0', ips }, netns: { netnsCookie } }])
  await runtime.delete(result)
  t.strictSame(removed, ['c0ffee'])

  await server.close()
  const alone = await runtime.add()
  t.equal(alone.ips.length, 1, 'also without an agent')
  await runtime.delete(alone)
  t.equal(added.length, 1)
})
