import { test } from 'tap'
import type { FlowView } from '../../../src/api/views.ts'
import type { HopFlowsData, PageData } from '../../../src/cli/ui/page-types.ts'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

/** The bytes that test/traffic/flood.c has sent at one end and read at the other. */
interface Flooded {
  readonly event: string
  readonly sent: number
  readonly received: number
}

/** The number of answers of one byte to one command `turns`. */
const ANSWERS = 100

/** The output of top for an interval. */
interface Interval {
  readonly intervalMs: number
  readonly redirectedBytesPerSecond: number
  readonly tcpBytesPerSecond: number
  readonly pods: readonly {
    readonly pod: string
    readonly redirectedBytesPerSecond: number
    readonly tcpBytesPerSecond: number
  }[]
}

void test('flows, pods, status, metrics, top and the page agree with what was sent, to the byte', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const everything = ['--measure', 'pods', '--measure-one-in', '1']
  const agent = await mesh.startAgent('--metrics', '127.0.0.1:0', ...everything)
  const here = ['--socket', mesh.socket]
  const pod = mesh.pod(0)

  const end = new AbortController()
  const intervals: Interval[] = []
  const top = runCommand(['top', ...here, '-o', 'json', '--interval', '0.2'], {
    signal: end.signal,
    onStdout: (line) => intervals.push(JSON.parse(line)),
  })
  t.teardown(() => end.abort())
  let address = ''
  const ui = runCommand(['ui', ...here], {
    signal: end.signal,
    onStdout: (line) => (address = line.trim()),
  })
  await until('top has looked before anything is sent', () => intervals.length > 0)

  // Both ends are watched, but without turns it is never paired.
  await using idle = pod.run<Flooded>('flood')
  idle.write('drain\n')
  await idle.take('drain')
  await using flooded = pod.run<Flooded>('flood')
  let asked = 0
  const turns = (bytes: number): Promise<Flooded> => {
    asked += 1
    flooded.write(`turns ${bytes}\n`)
    return flooded.take('turns')
  }
  const joined = async (): Promise<FlowView | undefined> =>
    (await agent.flows()).find(({ directions }) =>
      directions.every(({ path }) => path === 'redirect'),
    )
  await until('it joins', async () => {
    await turns(100)
    return joined()
  })
  const { sent, received } = await turns(20_000)
  t.equal(received, sent)
  const answered = asked * ANSWERS

  const carried = ((await joined())?.directions ?? []).map(({ redirectedBytes, tcpBytes }) =>
    Number(redirectedBytes + tcpBytes),
  )
  t.strictSame(carried, [sent, answered], 'flows, each direction')

  const { totals, connections } = await agent.status()
  t.equal((await agent.flows()).length, 2)
  t.match(connections, { now: 2, engaged: 1, plain: 1 }, 'status, a connection is one')
  const all = Number(totals.redirectedBytes + totals.tcpBytes)
  t.equal(all, sent + answered, 'status')
  const { pods } = await agent.client.call('Pods', {})
  t.equal(pods[0]?.redirectedBytes, totals.redirectedBytes, 'pods')

  await until('the page is served', () => address !== '')
  const { overview } = await get<PageData>(`${address}api/overview`)
  t.match(overview.status.totals, {
    redirectedBytes: Number(totals.redirectedBytes),
    tcpBytes: Number(totals.tcpBytes),
  })
  t.match(overview.status.connections, { now: 2, engaged: 1 })
  t.equal(overview.pods[0]?.redirectedBytes, Number(totals.redirectedBytes), 'the pod on the page')
  const name = `shop/${pod.name}`
  t.match(overview.hops, [
    {
      ends: { client: name, server: name },
      engaged: 1,
      plain: 1,
      redirectedBytes: Number(totals.redirectedBytes),
      tcpBytes: Number(totals.tcpBytes),
      unreadBytes: 0,
    },
  ])
  t.equal(overview.hops.length, 1, 'the hop on the page')
  const [requests, ...others] = overview.latencies
  t.match(requests, { source: name, destination: name })
  t.strictSame(others, [])
  const timed = (requests?.redirect?.requests ?? 0) + (requests?.tcp?.requests ?? 0)
  t.equal(timed, answered, 'each request was timed')
  const hop = new URLSearchParams({ client: name, server: name })
  const opened = await get<HopFlowsData>(`${address}api/flows?${hop.toString()}`)
  t.strictSame(
    opened.flows.map(({ directions }) =>
      directions.map(({ redirectedBytes, tcpBytes }) => redirectedBytes + tcpBytes),
    ),
    [
      [sent, answered],
      [0, 0],
    ],
    'the connection on the page',
  )
  t.strictSame(
    await metrics(agent, 'redirected_bytes_total', 'tcp_bytes_total', 'unread_bytes'),
    [totals.redirectedBytes, totals.tcpBytes, 0n].map(String),
    'metrics',
  )

  const seen = intervals.length
  await until('top has looked twice since', () => intervals.length > seen + 1)
  const moved = intervals.map((each) => total(each.intervalMs, each))
  t.equal(Math.round(sum(moved)), sent + answered, 'top, of the node')
  const ofPod = intervals.map(({ intervalMs, pods: rows }) =>
    sum(rows.map((row) => total(intervalMs, row))),
  )
  t.equal(Math.round(sum(ofPod)), sent + answered, 'top, of the pod')
  t.match(intervals.at(-1)?.pods, [{ pod: name, connections: 2, engaged: 1 }])

  end.abort()
  await top
  await ui

  await flooded[Symbol.asyncDispose]()
  await idle[Symbol.asyncDispose]()
  await until('they are closed', async () => (await agent.flows()).length === 0)
  const closed = (await agent.status()).totals
  t.equal(
    Number(closed.redirectedBytes + closed.tcpBytes),
    sent + answered,
    'status, without the FINs',
  )
})

void test('the last bytes and the end of file in one receive are accounted for', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { pods: 1 })
  const agent = await mesh.startAgent()
  await using napper = mesh.pod(0).run<{ event: string; error: number }>('napper')
  napper.write('bye\n')
  t.equal((await napper.take('bye')).error, 0)
  await napper[Symbol.asyncDispose]()
  await until('it is closed', async () => (await agent.flows()).length === 0)
  t.match((await agent.status()).reasons, { unaccounted: 0n, short: 2n })
})

async function get<Answer>(url: string): Promise<Answer> {
  return JSON.parse(await (await fetch(url)).text())
}

function total(
  intervalMs: number,
  { redirectedBytesPerSecond, tcpBytesPerSecond }: Omit<Interval, 'intervalMs' | 'pods'>,
): number {
  return ((redirectedBytesPerSecond + tcpBytesPerSecond) * intervalMs) / 1000
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

/** The values of metrics without labels. */
async function metrics(agent: AgentProcess, ...names: string[]): Promise<(string | undefined)[]> {
  const port = /"port":(\d+),"msg":"serves probes and metrics"/.exec(agent.log)?.[1]
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return names.map((name) => new RegExp(`^meshaccel_${name} (\\d+)$`, 'm').exec(text)?.[1])
}
