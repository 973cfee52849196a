import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import type { FlowView } from '../../../src/api/views.ts'
import { tally, type AgentProcess } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { Traffic, type TrafficOptions } from '../../helpers/traffic.ts'

const CLIENT = 0
const SERVER = 1
const UID = 4000
/** UNJOINED_PACKETS of alone.bpf.h. */
const PACKETS = 4096

interface Flooded {
  readonly event: string
  /** How many packets the reader has sent. */
  readonly packets: number
}

/** A connection from the first pod. Its port distinguishes it from the others. */
interface Connection {
  readonly name: string
  readonly fromPort: number
  readonly from: string
  readonly to: string
  readonly port: number
  /** Its destination, in the server's pod or another. */
  readonly listens?: { readonly pod: number; readonly port: number }
  readonly client?: TrafficOptions
}

/**
 * Rules of the client's and the server's pod, and the connections that they exclude. These differ from the previous
 * step's.
 */
type Step = readonly [client: string, server: string, excluded: readonly string[]]

const [four1, four2] = ['10.251.0.1', '10.251.0.2']
const [six1, six2] = ['fd51::1', 'fd51::2']
const redirect = (chain: string, ports: string, to: number): string[] =>
  `-t nat -A ${chain} -p tcp --dport ${ports} -j REDIRECT --to-ports ${to}`.split(' ')
const mapped = (address: string): string => `::ffff:${address}`

void test('an excluded connection gives up its calls per packet', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  mesh.exclude([[mesh.pod(0), 'ports: [1-65535]']])
  const agent = await mesh.startAgent()
  // The kernel counts runs only on request.
  const counts = 'kernel.bpf_stats_enabled'
  const before = execFileSync('sysctl', ['-n', counts], { encoding: 'utf8' }).trim()
  execFileSync('sysctl', ['-qw', `${counts}=1`])
  t.teardown(() => execFileSync('sysctl', ['-qw', `${counts}=${before}`]))
  await using flooded = mesh.pod(0).run<Flooded>('flood')
  const turns = async (): Promise<Flooded> => {
    flooded.write('turns 100\n')
    return await flooded.take('turns')
  }
  await until('it is excluded', async () => {
    await turns()
    return (await agent.flows()).some(isExcluded)
  })
  await until('it has sent many packets', async () => (await turns()).packets > PACKETS)
  const runs = runsOf(mesh, 'watch')
  await turns()
  t.equal(runsOf(mesh, 'watch'), runs, 'no call for a hundred turns')
})

void test('rules that change on live connections', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  await obeys(t, mesh, await mesh.startAgent(), {
    connections: [
      { name: 'four', fromPort: 41_000, from: four1, to: four2, port: 7000 },
      { name: 'six', fromPort: 41_001, from: six1, to: six2, port: 7001 },
      { name: 'mapped', fromPort: 41_002, from: mapped(four1), to: mapped(four2), port: 7002 },
      {
        name: 'user',
        fromPort: 41_003,
        from: four1,
        to: four2,
        port: 7003,
        client: { uid: UID },
      },
    ],
    steps: [
      ['', '', []],
      ['ports: [7000]', '', ['four']],
      ['', 'ports: [7001-7002, 9]', ['six', 'mapped']],
      ['ports: [41000-41003]', 'ports: [41000-41003]', []],
      ['cidrs: [10.251.0.2]', '', ['four', 'mapped', 'user']],
      ['cidrs: [10.251.0.1]', '', []],
      ['', 'cidrs: [10.251.0.1/31]', ['four', 'mapped', 'user']],
      ['cidrs: ["fd51::/64"]', '', ['six']],
      [`uids: [${UID}]`, '', ['user']],
      ['cidrs: ["::/0"]', 'cidrs: [10.251.0.4/30]', ['six']],
      ['cidrs: ["::ffff:10.251.0.0/120"]', '', ['four', 'mapped', 'user']],
      ['', `uids: [${UID}]`, []],
      ['', 'uids: [0]', ['four', 'six', 'mapped', 'user']],
      ['ports: [7003]', `cidrs: ["${six1}"]`, ['six', 'user']],
      ['', '', []],
    ],
  })
})

void test('rules see through REDIRECT', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  mesh.pod(CLIENT).exec('iptables', ...redirect('OUTPUT', '7000:7001', 15_001))
  mesh.pod(SERVER).exec('iptables', ...redirect('PREROUTING', '8000:8001', 15_006))
  const sidecar = { listens: { pod: CLIENT, port: 15_001 }, from: four1, to: four2 }
  const inbound = { listens: { pod: SERVER, port: 15_006 }, from: four1, to: four2 }
  await obeys(t, mesh, await mesh.startAgent(), {
    connections: [
      { ...sidecar, name: 'out-0', fromPort: 41_000, port: 7000 },
      { ...sidecar, name: 'out-1', fromPort: 41_001, port: 7001 },
      { ...inbound, name: 'in-0', fromPort: 41_002, port: 8000 },
      { ...inbound, name: 'in-1', fromPort: 41_003, port: 8001 },
    ],
    steps: [
      ['ports: [7000]', 'ports: [8001]', ['out-0', 'in-1']],
      ['', 'ports: [7000, 15001]', []],
      ['ports: [15001]', '', ['out-0', 'out-1']],
      ['ports: [15006]', '', []],
      ['ports: [8000]', 'ports: [15006]', ['in-0', 'in-1']],
      [`cidrs: [${four2}]`, '', ['out-0', 'out-1', 'in-0', 'in-1']],
      [`cidrs: [${four1}]`, '', ['out-0', 'out-1']],
      ['', '', []],
    ],
  })
})

void test('a pod comes back without its former rules', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const [client, server] = [mesh.pod(CLIENT), mesh.pod(SERVER)]
  const agent = await mesh.startAgent()
  const where = { address: four2, port: 7000, mode: 'mixed' }
  await using serving = await Traffic.start(server, 'server', where)
  await using calling = await Traffic.start(client, 'client', where)
  const becomes = async (what: string, isIt: (flow: FlowView) => boolean): Promise<void> => {
    await until(what, async () => {
      const [flow] = await agent.flows()
      return flow !== undefined && isIt(flow)
    })
  }
  mesh.exclude([[client, 'ports: [7000]']])
  await becomes('excluded', isExcluded)
  mesh.enable(client, false)
  await until('withdrawn', async () => (await agent.status()).pods.enrolled === 1)
  mesh.exclude([])
  mesh.enable(client, true)
  await becomes('fast', isFast)
  t.match(await calling.end(), { finished: 1, failed: 0, error: '' })
  t.match(await serving.end(), { failed: 0, error: '' })
})

/** Applies the steps while the connections are busy, then checks every byte. */
async function obeys(
  t: Test,
  mesh: Mesh,
  agent: AgentProcess,
  { connections, steps }: { connections: readonly Connection[]; steps: readonly Step[] },
): Promise<void> {
  const servers = new Map<string, Traffic>()
  const clients: Traffic[] = []
  for (const { fromPort, from, to, port, listens, client } of connections) {
    const at = listens ?? { pod: SERVER, port }
    const key = `${at.pod}:${at.port}`
    const where = { address: listens ? '0.0.0.0' : to, port: at.port, mode: 'mixed' }
    if (!servers.has(key)) servers.set(key, await Traffic.start(mesh.pod(at.pod), 'server', where))
    const options = { ...client, address: to, port, from, fromPort, mode: 'mixed' }
    clients.push(await Traffic.start(mesh.pod(CLIENT), 'client', options))
  }
  const nameOf = ({ client }: FlowView): string =>
    connections.find(({ fromPort }) => client?.address.endsWith(`:${fromPort}`))?.name ?? ''
  const redirected = async (names: readonly string[]): Promise<bigint> =>
    (await agent.flows())
      .filter((flow) => names.includes(nameOf(flow)))
      .flatMap(({ directions }) => directions)
      .reduce((sum, { redirectedBytes }) => sum + redirectedBytes, 0n)

  for (const [client, server, excluded] of steps) {
    const rules = `${client} | ${server}`
    const begin = performance.now()
    mesh.exclude([
      [mesh.pod(CLIENT), client],
      [mesh.pod(SERVER), server],
    ])
    let flows: FlowView[] = []
    await until(rules, async () => {
      flows = await agent.flows()
      return (
        flows.length === connections.length &&
        flows.every((flow) => (excluded.includes(nameOf(flow)) ? isExcluded(flow) : isFast(flow)))
      )
    }).catch(() => t.fail(`${rules}: ${tally(flows)}`))
    t.comment(`${rules}: ${Math.round(performance.now() - begin)} ms`)

    const before = await redirected(excluded)
    for (const calling of clients) {
      const { steps: taken } = await calling.progress()
      await until('it goes on', async () => (await calling.progress()).steps > taken + 50, {
        pauseMs: 10,
      })
    }
    t.equal(await redirected(excluded), before, `${rules}: what is excluded stays on TCP`)
  }
  t.ok(((await agent.status()).reasons['excluded'] ?? 0n) > 0n, 'leaving is counted')
  for (const calling of clients) {
    t.match(await calling.end(), { finished: 1, failed: 0, error: '' })
  }
  for (const serving of servers.values()) {
    t.match(await serving.end(), { failed: 0, error: '' })
  }
}

function isExcluded({ state, directions }: FlowView): boolean {
  return state === 'watched' && directions.every(({ reason }) => reason === 'excluded')
}

function isFast({ state, directions }: FlowView): boolean {
  return state === 'joined' && directions.every(({ path }) => path === 'redirect')
}

/** How often a pinned program has run. */
function runsOf({ pinDir }: Mesh, name: string): number {
  const [version = ''] = readdirSync(pinDir)
  const { prog_id: id } = show('link', 'pinned', join(pinDir, version, name))
  return show('prog', 'id', String(id))['run_cnt'] ?? 0
}

function show(...what: string[]): Record<string, number> {
  const [kind = '', ...which] = what
  return JSON.parse(execFileSync('bpftool', ['-j', kind, 'show', ...which], { encoding: 'utf8' }))
}
