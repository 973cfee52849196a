import { symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { cli } from '../../helpers/agent-process.ts'
import { flowBetween } from '../../helpers/flows.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'
import { Terminal } from '../../helpers/terminal.ts'
import { until } from '../../helpers/retry.ts'

const pod = { namespace: 'shop', mesh: 'istio', enabled: true }
const MiB = 2n ** 20n

/** An agent with two busy connections: cart > stock redirected, cart > somewhere else by TCP. */
async function serving(): Promise<RunningAgent> {
  const agent = new RunningAgent([
    { ...pod, name: 'cart-0', netns: '/run/netns/7' },
    { ...pod, name: 'stock-0', netns: '/run/netns/8' },
  ])
  // Their bytes grow with each sample, as their age does: 1 MiB and 100 KiB.
  let looks = 0n
  agent.datapath.flows = async function* flows() {
    looks += 1n
    yield [
      flowBetween(7n, 8n, { redirectedBytes: looks * MiB }, 1),
      flowBetween(7n, undefined, { tcpBytes: (looks * MiB) / 10n, reason: 'remote-peer' }, 2),
    ]
  }
  agent.datapath.gauge = { now: 2, watched: 1, joined: 1, engaged: 1, plain: 1, mixed: 0 }
  await agent.start()
  return agent
}

/** For the shell: reports when it echoes input and edits lines. */
const isSane = "stty -a | grep -q ' icanon .* echo ' && echo sa''ne"

const command = (socket: string, ...flags: string[]): string =>
  [process.execPath, cli, 'top', '--socket', socket, ...flags].join(' ')

void test('shows pods and connections, sorts them, and leaves the terminal as it was', async (t) => {
  await using agent = await serving()
  using terminal = new Terminal({ columns: 80, rows: 24 })
  terminal.run('echo before')
  await terminal.shows(/^before$/m)
  terminal.run(`${command(agent.socket, '--interval', '0.2')}; ${isSane}`)
  const pods = await terminal.shows(/shop\/stock-0 +1 +1 +\d/)
  t.equal(terminal.modes, '1 0 0', 'an alternate screen without cursor and without wrapping')
  const [state = '', counts = '', rates = '', head = '', ...rest] = pods.split('\n')
  t.match(state, /^accelerating, policy strict; every 0\.2 s, by rate$/)
  t.match(counts, /^2 pods enrolled; 2 connections: 1 engaged, 1 plain, 0 mixed$/)
  t.match(rates, /^redirected .*\/s, TCP .*\/s, .* fast$/)
  t.match(head, /^POD +CONNS +ENGAGED +REDIRECTED\/S +TCP\/S +FAST +SLOW BY$/)
  t.match(
    rest[0],
    /^shop\/cart-0 +2 +1 +[\d.]+ \w+ +[\d.]+ \w+ +9\d % +remote-peer$/,
    'the busiest first',
  )
  t.match(rest[1], /^shop\/stock-0 +1 +1 +[\d.]+ \w+ +0 B +100 %$/)
  t.match(rest.at(-1), /^q quit {2}p pods {2}f flows {2}s sort$/, 'the keys are in the last line')

  terminal.type('f')
  const flows = await terminal.shows(/CLIENT +SERVER/)
  t.match(flows, /^shop\/cart-0 10\S* +shop\/stock-0 \S+ +1 min +[\d.]+ \w+ +0 B$/m)
  t.match(flows, /^shop\/cart-0 10\S* +- +1 min +0 B .* remote-pee/m)
  terminal.type('s')
  t.match(
    await terminal.shows(/by tcp/),
    /by tcp[^]*remote-pee[^]*stock-0/,
    'the other one comes first',
  )
  terminal.type('p')
  await terminal.shows(/^POD /m)

  terminal.resize(40, 10)
  const small = await terminal.shows(/^shop\/cart-0 +\d/m)
  const lines = small.split('\n')
  t.ok(lines.length <= 10)
  t.match(lines.at(-1), /^q quit/)
  t.match(lines[3], /^POD +REDIRECTED\/S +FAST$/, 'what has no room goes, nothing wraps')

  terminal.resize(80, 24)
  terminal.type('q')
  const after = await terminal.shows(/^sane$/m)
  t.match(after, /^before$/m, 'what was there is there again')
  t.notMatch(after, /quit|POD/)
  t.equal(terminal.modes, '0 1 1')
})

for (const [how, end] of [
  ['Ctrl-C', (terminal: Terminal) => terminal.press('C-c')],
  ['SIGTERM', (terminal: Terminal) => void process.kill(terminal.child, 'SIGTERM')],
] as const) {
  void test(`${how} restores the terminal, in 40 columns`, async (t) => {
    await using agent = await serving()
    using terminal = new Terminal({ columns: 40, rows: 10 })
    terminal.run(`${command(agent.socket)}; echo ended $?; ${isSane}`)
    const text = await terminal.shows(/q quit/)
    t.match(text, /^POD +REDIRECTED\/S/m)
    t.equal(terminal.modes, '1 0 0')
    end(terminal)
    await terminal.shows(/^ended 0\nsane$/m)
    t.equal(terminal.modes, '0 1 1')
  })
}

void test('an agent that goes away is said, and its successor shown', async (t) => {
  await using first = await serving()
  await using second = await serving()
  const socket = join(first.directory, 'link.sock')
  symlinkSync(first.socket, socket)
  using terminal = new Terminal({ columns: 80, rows: 24 })
  terminal.run(command(socket, '--interval', '0.2'))
  await terminal.shows(/^q quit/m)
  first.terminate()
  t.match(await terminal.shows(/it is not running/), /shop\/cart-0/, 'what was seen last stays')
  unlinkSync(socket)
  symlinkSync(second.socket, socket)
  await terminal.shows(/^q quit/m)
  terminal.type('q')
  await until('it has ended', () => terminal.modes === '0 1 1')
})

void test('without a terminal it says what to do, or prints', async (t) => {
  await using agent = await serving()
  t.match(await agent.run('top'), {
    code: 2,
    stdout: '',
    stderr:
      /^meshaccel: top redraws a terminal, and the standard output is none: `top --once` prints/,
  })
  const once = await agent.run('top', '--once', '--interval', '0.1')
  t.equal(once.code, 0)
  t.match(
    once.stdout,
    /^accelerating.*\n.*\n.*\nPOD .*\nshop\/cart-0 +2 +1 .*\nshop\/stock-0 .*\n$/,
  )
  const json = await agent.run('top', '--once', '-o', 'json', '--flows', '--interval', '0.1')
  t.match(JSON.parse(json.stdout), {
    state: 'accelerating',
    connections: { now: 2 },
    redirectedBytesPerSecond: Number,
    flows: [{ client: { pod: 'shop/cart-0' }, server: { pod: 'shop/stock-0' } }, {}],
  })
  t.match(await agent.run('top', '--interval', 'soon'), { code: 2, stderr: /--interval must be/ })
})
