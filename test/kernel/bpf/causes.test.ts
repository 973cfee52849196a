import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import type { KubeObject } from '../../../src/sources/kubernetes/pod-facts.ts'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { FakeKubeApi } from '../../helpers/fake-kube-api.ts'
import { FakeRuntime } from '../../helpers/fake-runtime.ts'
import { kubePod, node, type PodChanges } from '../../helpers/kube-objects.ts'
import { Mesh, type Pod } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'
import { Traffic, type TrafficOptions } from '../../helpers/traffic.ts'

const EXCLUDED_PORT = 7009
const CAP = 262_144

/** A node of a cluster with real pods and a real agent. The test supplies the API server and the runtime. */
class Node implements AsyncDisposable {
  readonly mesh: Mesh
  readonly api: FakeKubeApi
  readonly #runtime: FakeRuntime
  #agent: AgentProcess | undefined

  private constructor(mesh: Mesh, api: FakeKubeApi, runtime: FakeRuntime) {
    this.mesh = mesh
    this.api = api
    this.#runtime = runtime
  }

  static async make(t: Test): Promise<Node> {
    const mesh = await Mesh.make(t, { pods: 4 })
    const runtime = new FakeRuntime()
    await runtime.start()
    const made = new Node(mesh, await FakeKubeApi.start(), runtime)
    made.#namespace('shop', {
      'meshaccel.io/enabled': 'true',
      'meshaccel.io/blocking-readers': 'accelerate',
    })
    made.#namespace('forgotten')
    made.#namespace('misspelt', { 'meshaccel.io/enable': 'true' })
    made.#namespace('elsewhere', { 'meshaccel/enabled': 'true' })
    made.#namespace('yes', { 'meshaccel.io/enabled': 'yes' })
    made.#namespace('label', {}, { 'meshaccel.io/enabled': 'true' })
    const [cart, stock, database, legacy] = [0, 1, 2, 3].map((index) => mesh.pod(index))
    made.#pod('shop/cart', cart)
    made.#pod('shop/stock', stock)
    made.#pod('shop/database', database, { sidecar: false })
    made.#pod('shop/legacy', legacy, {
      annotations: { 'meshaccel.io/exclude-ports': String(EXCLUDED_PORT) },
    })
    const { metadata, spec, status } = kubePod('shop/proxy')
    made.api.set('pods', {
      ...(metadata && { metadata }),
      spec: { ...spec, hostNetwork: true },
      ...(status && { status }),
    })
    for (const namespace of ['forgotten', 'misspelt', 'elsewhere', 'yes', 'label']) {
      made.#pod(`${namespace}/front`)
    }
    return made
  }

  async start(): Promise<void> {
    const kubeconfig = join(this.mesh.directory, 'kubeconfig')
    writeFileSync(kubeconfig, this.api.config.exportConfig())
    const before = process.env['KUBECONFIG']
    process.env['KUBECONFIG'] = kubeconfig
    const source = ['--pods', 'kubernetes', '--node', node, '--cri', this.#runtime.socket]
    this.#agent = await this.mesh.startAgent(...source, '--cap', String(CAP))
    if (before === undefined) delete process.env['KUBECONFIG']
    else process.env['KUBECONFIG'] = before
    const { log } = this.#agent
    await until(`it is in step: ${log}`, () => this.agent.log.includes('in step with its pods'))
  }

  get agent(): AgentProcess {
    if (!this.#agent) throw new Error('the agent was not started')
    return this.#agent
  }

  run(...argv: string[]): ReturnType<typeof runCommand> {
    return runCommand([...argv, '--socket', this.mesh.socket])
  }

  /** Waits until one output of the command contains all of it. */
  async explains(t: Test, pod: string, ...said: RegExp[]): Promise<void> {
    let text = ''
    const all = async (): Promise<boolean> => {
      const { stdout, stderr } = await this.run('explain', pod)
      text = stdout + stderr
      return said.every((each) => each.test(text))
    }
    await until(`explain ${pod} says it`, all, { attempts: 100 }).catch(() => undefined)
    for (const each of said) t.match(text, each, pod)
  }

  #namespace(
    name: string,
    annotations: Readonly<Record<string, string>> = {},
    labels: Readonly<Record<string, string>> = {},
  ): void {
    const object: KubeObject = { metadata: { name, uid: `uid-${name}`, annotations, labels } }
    this.api.set('namespaces', object)
  }

  #pod(key: string, pod?: Pod, changes: PodChanges = {}): void {
    const uid = `uid-${key.replace('/', '-')}`
    this.api.set('pods', kubePod(key, { uid, ...(pod && { ip: pod.address }), ...changes }))
    if (!pod) return
    const namespaces = [{ type: 'network', path: pod.netns }]
    const info = { runtimeSpec: { linux: { namespaces } } }
    this.#runtime.sandboxes = [...this.#runtime.sandboxes, { id: uid, uid, info }]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api.down()
    await this.#runtime.stop()
  }
}

async function connect(
  from: Pod,
  to: Pod,
  port = 7000,
  ofServer: TrafficOptions = {},
): Promise<{ serving: Traffic; calling: Traffic }> {
  const turns = { mode: 'blocking', request: 512, answer: 512, address: to.address, port }
  const serving = await Traffic.start(to, 'server', { ...turns, ...ofServer })
  return { serving, calling: await Traffic.start(from, 'client', { ...turns, pauseUs: 1000 }) }
}

void test('one command names each cause and the next step', async (t) => {
  if (!requireRoot(t)) return
  await using host = await Node.make(t)
  await host.start()
  const { mesh } = host
  const [cart, stock, database, legacy] = [mesh.pod(0), mesh.pod(1), mesh.pod(2), mesh.pod(3)]

  await t.test('no sidecar', (tt) =>
    host.explains(
      tt,
      'shop/database',
      /shop\/database is not accelerated: it has no sidecar/,
      /Next: Inject the sidecar .*kubectl label namespace shop istio-injection=enabled/,
    ),
  )
  await t.test('the annotation is missing', (tt) =>
    host.explains(
      tt,
      'forgotten/front',
      /is not accelerated: nobody has enabled it/,
      /Next: Run `kubectl annotate namespace forgotten meshaccel\.io\/enabled=true`/,
    ),
  )
  await t.test('the annotation is misspelt', async (tt) => {
    const meant = /did you mean meshaccel\.io\/enabled\?/
    await host.explains(tt, 'misspelt/front', /annotation meshaccel\.io\/enable is unknown/, meant)
    await host.explains(tt, 'elsewhere/front', /annotation meshaccel\/enabled is unknown/, meant)
    await host.explains(tt, 'yes/front', /"true" or "false", not "yes"/, /did you mean "true"\?/)
    await host.explains(tt, 'label/front', /is a label/, /the annotation meshaccel\.io\/enabled\?/)
  })
  await t.test('hostNetwork', (tt) =>
    host.explains(tt, 'shop/proxy', /not accelerated: it uses the host's network/, /Next: /),
  )
  await t.test('the peer is elsewhere', async (tt) => {
    const remote = await connect(cart, database)
    await using serving = remote.serving
    await using calling = remote.calling
    await host.explains(
      tt,
      'shop/cart',
      /1 connection on TCP \(remote-peer\)/,
      /Such as: shop\/cart > 10\.251\.0\.3:7000 \(shop\/database, not enrolled: no-mesh\)/,
      /Next: Both ends must be in enrolled pods of one node/,
    )
    tt.match(await calling.end(), { error: '' })
    tt.match(await serving.end(), { error: '' })
  })
  await t.test('the port is excluded', async (tt) => {
    const excluded = await connect(cart, legacy, EXCLUDED_PORT)
    await using serving = excluded.serving
    await using calling = excluded.calling
    await host.explains(tt, 'shop/legacy', /exclude/, /Next: .*`meshaccel\.io\/exclude-\*`/)
    tt.match(await calling.end(), { error: '' })
    tt.match(await serving.end(), { error: '' })
  })
  await t.test('the cap is reached', async (tt) => {
    await using flooded = cart.run<Flooded>('flood')
    await until('it joins', async () => {
      await ask(flooded, 'turns 100')
      const flows = await host.agent.flows()
      return flows.some(({ directions }) => directions.every(({ path }) => path === 'redirect'))
    })
    await ask(flooded, 'flood 65536')
    await host.explains(
      tt,
      'shop/cart',
      /\(cap-bytes\): its reader is slow: as many redirected bytes are unread as the cap/,
      /Next: Find out what the reading program waits for/,
    )
    await ask(flooded, 'drain')
  })
  await t.test('the reader is quarantined', async (tt) => {
    const spliced = await connect(cart, stock, 7001, { turn: 'all' })
    await using serving = spliced.serving
    await using calling = spliced.calling
    await until('it joins', async () =>
      (await host.agent.flows()).some(({ state }) => state === 'joined'),
    )
    serving.turn()
    await host.explains(
      tt,
      'shop/stock',
      /\/stress is quarantined, because of one of its connections: its reader has started to use splice/,
      /Next: once it is fixed, `meshaccel readers forgive shop\/stock .*\/stress`/,
    )
    tt.match(await calling.end(), { error: '' })
    tt.match(await serving.end(), { error: '' })
  })
  await t.test('it is drained', async (tt) => {
    tt.equal((await host.run('drain')).code, 0)
    await host.explains(
      tt,
      'shop/cart',
      /Redirecting is switched off on this node: somebody has drained it/,
      /Next: `meshaccel resume`/,
    )
    tt.equal((await host.run('resume')).code, 0)
  })
  await t.test('the agent is down', async (tt) => {
    await host.agent.kill('SIGKILL')
    const { code, stderr } = await host.run('explain', 'shop/cart')
    tt.equal(code, 1)
    tt.match(stderr, /no agent runs on this node, so no connection of shop\/cart joins/)
    tt.match(stderr, /\n {2}Start one with `meshaccel agent.*kubectl get pods/)
  })
})

void test('a kernel that the self-test refuses', async (t) => {
  await using agent = new RunningAgent([
    { namespace: 'shop', name: 'cart', netns: '/run/netns/7', mesh: 'istio', enabled: true },
  ])
  agent.datapath.policy = 'refused'
  agent.datapath.refusedBecause = 'late-join: a socket cannot be added to the sockhash'
  await agent.start()
  const { code, stdout } = await agent.run('explain', 'shop/cart')
  t.equal(code, 0)
  t.match(stdout, /because the self-test refuses its kernel: late-join: a socket cannot/)
  t.match(stdout, /Next: `meshaccel doctor` shows every probe/)
  t.match(stdout, /shop\/cart is not accelerated: the self-test refuses this kernel/)
})

interface Flooded {
  readonly event: string
}

function ask(flooded: Child<Flooded>, line: string): Promise<Flooded> {
  const [event = ''] = line.split(' ')
  flooded.write(`${line}\n`)
  return flooded.take(event)
}
