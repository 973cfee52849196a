import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { test } from 'tap'
import type { Flow } from '../../../src/datapath/datapath.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'

const cart = {
  namespace: 'shop',
  name: 'cart-0',
  netns: '/run/netns/7',
  mesh: 'istio',
  enabled: true,
}

const flow: Flow = {
  identity: '1a2b3c4d:5e6f7081',
  ageMs: 61_000,
  state: 'joined',
  client: {
    netnsCookie: 7n,
    address: '10.0.0.1:40000',
    readerPid: process.pid,
    readerComm: 'node',
    proven: true,
    turns: 0,
    ackedBytes: 0n,
  },
  server: {
    netnsCookie: 7n,
    address: '127.0.0.1:15001',
    readerPid: 4_194_303,
    readerComm: 'envoy',
    proven: false,
    unprovenReason: 'waitall',
    turns: 0,
    ackedBytes: 0n,
  },
  clientToServer: { path: 'redirect', redirectedBytes: 5000n, tcpBytes: 10n, unreadBytes: 3 },
  serverToClient: {
    path: 'tcp',
    reason: 'unproven',
    redirectedBytes: 0n,
    tcpBytes: 20n,
    unreadBytes: 0,
  },
}

async function serving(): Promise<RunningAgent> {
  const agent = new RunningAgent([cart, { ...cart, name: 'gone', netns: '/run/netns/gone' }])
  agent.datapath.flowTable = [flow]
  agent.datapath.counted = {
    redirectedBytes: 2n ** 60n,
    redirectedMessages: 5n,
    tcpBytes: 2048n,
    tcpMessages: 1n,
    reasons: { stream: 3n, 'no-peer': 9n },
  }
  await agent.start()
  return agent
}

async function json(agent: RunningAgent, command: string): Promise<unknown> {
  return JSON.parse((await agent.run(command, '-o', 'json')).stdout)
}

void test('status', async (t) => {
  await using agent = await serving()
  const status = await json(agent, 'status')
  t.match(status, {
    state: 'accelerating',
    policy: 'strict',
    kernel: String,
    version: /^\d+\.\d+\.\d+/,
    pods: { seen: 2, enrolled: 1 },
    connections: { now: 0, watched: 0, joined: 0, engaged: 0, plain: 0, mixed: 0 },
    totals: {
      // Beyond what a JSON number holds exactly.
      redirectedBytes: '1152921504606846976',
      redirectedMessages: 5,
      tcpBytes: 2048,
      tcpMessages: 1,
    },
    reasons: { stream: 3, 'no-peer': 9 },
  })
  const { code, stdout } = await agent.run('status')
  t.equal(code, 0)
  t.match(stdout, /^state +accelerating\n/)
  t.match(stdout, /pods +1 enrolled of 2 seen\n/)
})

void test('pods', async (t) => {
  await using agent = await serving()
  t.strictSame(await json(agent, 'pods'), {
    pods: [
      {
        namespace: 'shop',
        name: 'cart-0',
        mesh: 'istio',
        enrolled: true,
        netnsCookie: 7,
        ips: ['10.0.0.1'],
        connections: { engaged: 1, plain: 0 },
        redirectedBytes: 5000,
      },
      {
        namespace: 'shop',
        name: 'gone',
        mesh: 'istio',
        enrolled: false,
        reason: 'netns-gone',
        ips: [],
        connections: { engaged: 0, plain: 0 },
        redirectedBytes: 0,
      },
    ],
  })
  t.match((await agent.run('pods')).stdout, /shop\/gone +istio +no: netns-gone/)
})

void test('readers', async (t) => {
  await using agent = await serving()
  const names = { namespace: 'shop', name: 'cart-0', quarantined: false }
  t.strictSame(await json(agent, 'readers'), {
    readers: [
      { ...names, program: process.execPath, connections: { proven: 1, unproven: {} } },
      { ...names, program: 'envoy', connections: { proven: 0, unproven: { waitall: 1 } } },
    ],
  })
  t.match((await agent.run('readers')).stdout, /shop\/cart-0 +envoy +0 +1 waitall +no\n/)
})

void test('readers forgive', async (t) => {
  await using agent = await serving()
  const quarantined = { netnsCookie: 7n, readerPid: 4_194_303, readerComm: 'envoy' }
  agent.datapath.quarantine = [
    { ...quarantined, reason: 'splice' },
    { netnsCookie: 7n, readerPid: 4_194_302, readerComm: 'nginx', reason: 'waitall' },
  ]
  const { stdout } = await agent.run('readers')
  t.match(stdout, /shop\/cart-0 +envoy +0 +1 waitall +yes: splice\n/)
  t.match(stdout, /shop\/cart-0 +nginx +0 +0 +yes: waitall\n/, 'also without a connection')
  const forgive = ['readers', 'forgive', 'shop/cart-0', 'envoy']
  t.match(await agent.run(...forgive), { code: 0, stderr: 'forgiven\n' })
  t.match(await agent.run(...forgive), { code: 0, stderr: 'it is not quarantined\n' })
  t.strictSame(
    agent.datapath.quarantine.map(({ readerComm }) => readerComm),
    ['nginx'],
  )
  t.match(await agent.run('readers', 'forgive', 'cart-0', 'envoy'), {
    code: 2,
    stderr: /the pod must be NAMESPACE\/NAME, not cart-0/,
  })
})

void test('flows', async (t) => {
  await using agent = await serving()
  t.strictSame(await json(agent, 'flows'), {
    flows: [
      {
        identity: '1a2b3c4d:5e6f7081',
        state: 'joined',
        ageMs: 61_000,
        client: { pod: 'shop/cart-0', address: '10.0.0.1:40000' },
        server: { pod: 'shop/cart-0', address: '127.0.0.1:15001' },
        directions: [
          { from: 'client', path: 'redirect', redirectedBytes: 5000, tcpBytes: 10, unreadBytes: 3 },
          {
            from: 'server',
            path: 'tcp',
            reason: 'unproven',
            redirectedBytes: 0,
            tcpBytes: 20,
            unreadBytes: 0,
          },
        ],
      },
    ],
  })
  t.match((await agent.run('flows')).stdout, /1 min +joined +redirect +tcp: unproven/)
})

void test('an end outside of the enrolled pods is absent', async (t) => {
  await using agent = await serving()
  const { server, ...remote } = flow
  t.ok(server)
  agent.datapath.flowTable = [remote]
  t.match((await agent.run('flows')).stdout, /shop\/cart-0 10\.0\.0\.1:40000 +- /)
  t.notMatch(await json(agent, 'flows'), { flows: [{ server: {} }] })
})

void test('reasons', async (t) => {
  await using agent = await serving()
  t.strictSame(await json(agent, 'reasons'), { reasons: { stream: 3, 'no-peer': 9 } })
  t.equal(
    (await agent.run('reasons')).stdout,
    'REASON   COUNT  MEANING\nno-peer      9  no-peer\n' +
      'stream       3  it is a stream of small messages, which TCP carries faster\n',
  )
})

void test('drain and resume say what they did, and do it once', async (t) => {
  await using agent = await serving()
  agent.datapath.gauge = { ...agent.datapath.gauge, joined: 1 }
  t.match(await agent.run('drain'), { code: 0, stdout: '', stderr: 'drained\n' })
  t.match(await agent.run('drain'), { code: 0, stderr: 'already drained\n' })
  t.match(await agent.run('status'), { code: 1, stdout: /state +disabled/ })
  t.match(await agent.run('resume'), { code: 0, stderr: 'redirecting again\n' })
  t.match(await agent.run('resume'), { code: 0, stderr: 'already redirecting\n' })
  t.match(await agent.run('status'), { code: 0 })
})

void test('a drain under way shows', async (t) => {
  await using agent = await serving()
  agent.datapath.redirecting = false
  agent.datapath.gauge = { ...agent.datapath.gauge, joined: 1 }
  t.match(await agent.run('status'), { code: 1, stdout: /state +draining/ })
})

void test('without an agent drain and cleanup work on the pins', async (t) => {
  const agent = new RunningAgent()
  const pins = join(agent.directory, 'pins')
  t.match(await agent.run('drain', '--pin', pins), { code: 0, stderr: 'drained\n' })
  t.match(await agent.run('drain', '--pin', pins), { code: 0, stderr: 'already drained\n' })
  t.strictSame(agent.datapath.calls, ['drain', 'drain'], 'no data path is opened for it')
  t.match(await agent.run('cleanup', '--pin', pins), { code: 0, stderr: /nothing .* is left/ })
  t.equal(agent.cleanups, 1)
  await agent[Symbol.asyncDispose]()
})

void test('without an agent the others say how to start one', async (t) => {
  const agent = new RunningAgent()
  for (const command of ['status', 'pods', 'flows', 'reasons', 'readers', 'resume']) {
    t.match(await agent.run(command), {
      code: 1,
      stdout: '',
      stderr:
        /^meshaccel: connect to the agent at .*: it is not running\n {2}Start one with .*kubectl/,
    })
  }
  await agent[Symbol.asyncDispose]()
})

void test('only root may change the kernel', async (t) => {
  for (const argv of [['agent', '--pods', 'file:x'], ['drain'], ['cleanup'], ['doctor']]) {
    t.match(await runCommand(argv, { uid: 1000 }), {
      code: 1,
      stderr: /only root may\n {2}Run the command with sudo\.\n$/,
    })
  }
})

void test('an invalid command line: exit 2, a hint, no stack', async (t) => {
  const wrong = [
    [],
    ['nope'],
    ['status', 'more'],
    ['status', '--bogus'],
    ['status', '-o', 'yaml'],
    ['agent'],
    ['agent', '--pods', 'kube'],
    ['agent', '--pods', 'file:x', '--cap', 'much'],
    ['agent', '--pods', 'file:x', '--policy', 'refused'],
    ['drain', '--timeout', 'soon'],
    ['drain', '--timeout', '0'],
    ['agent', '--pods', 'file:x', '--slow-request', 'soon'],
    ['agent', '--pods', 'file:x', '--guard', 'on'],
  ]
  for (const argv of wrong) {
    const { code, stdout, stderr } = await runCommand(argv)
    t.equal(code, 2, argv.join(' '))
    t.equal(stdout, '')
    t.match(stderr, /^meshaccel: .+\n {2}`meshaccel --help`/s)
    t.notMatch(stderr, /\n +at /)
  }
})

void test('help goes to the standard output', async (t) => {
  const all = await runCommand(['--help'])
  t.match(all, { code: 0, stderr: '' })
  for (const name of ['agent', 'status', 'pods', 'flows', 'reasons', 'readers', 'drain']) {
    t.match(all.stdout, `meshaccel ${name}`)
    t.match(await runCommand([name, '--help']), { code: 0, stdout: /--socket/ })
  }
  t.match(await runCommand(['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
})

void test('the help of each command: what it does, examples, exit codes', async (t) => {
  const commands = [
    ['agent'],
    ['bench'],
    ['status'],
    ['pods'],
    ['flows'],
    ['top'],
    ['reasons'],
    ['readers'],
    ['readers', 'forgive'],
    ['explain'],
    ['doctor'],
    ['drain'],
    ['resume'],
    ['cleanup'],
    ['cni'],
    ['cni', 'install'],
    ['cni', 'uninstall'],
    ['manifests'],
  ]
  for (const command of [[], ...commands]) {
    const { code, stdout } = await runCommand([...command, '--help'])
    t.equal(code, 0, command.join(' '))
    t.match(stdout, new RegExp(`^meshaccel ${command.join(' ')}.*\n\n[A-Z][^]+\\.`), 'what it does')
    t.match(stdout, /\nExamples:\n {2}meshaccel \w/, 'examples')
    t.match(stdout, /\nExit codes: 0 /, 'what exit codes mean')
    for (const line of stdout.split('\n')) t.ok(line.length <= 100, line)
  }
  t.match((await runCommand(['explian', 'shop/cart-0'])).stderr, /Did you mean explain\?/)
})

void test('tables fit the terminal and are coloured only there', async (t) => {
  await using agent = await serving()
  const narrow = await runCommand(['flows', '--socket', agent.socket], { terminalColumns: 80 })
  const escape = '\u001B['
  t.ok(narrow.stdout.includes(escape))
  for (const line of narrow.stdout.split('\n')) {
    t.ok(stripVTControlCharacters(line).length <= 80, line)
  }
  t.notOk((await agent.run('flows')).stdout.includes(escape))
})

void test('a bad duration names its option and the forms', async (t) => {
  for (const [option, ...argv] of [
    ['--timeout', 'drain', '--timeout=2 s'],
    ['--timeout', 'cleanup', '--timeout=-1'],
    ['--watch', 'status', '--watch=2x'],
    ['--interval', 'top', '--interval=10ms'],
    ['--slow-read', 'trace', '--slow-read=soon'],
    ['--slow-request', 'agent', '--pods=file:x', '--slow-request=0'],
    ['--grace', 'cni', 'uninstall', '--grace=soon'],
    ['--duration', 'bench', '--duration=soon'],
    ['--duration', 'bench', '--kubernetes', '--duration=2h'],
  ] as const) {
    const { code, stderr } = await runCommand(argv, { uid: 0 })
    t.equal(code, 2, argv.join(' '))
    t.match(
      stderr,
      new RegExp(`${option} must be a duration such as 500ms, 2s or 2m, or a number of `),
    )
  }
})
