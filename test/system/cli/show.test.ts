import { test } from 'tap'
import { cli } from '../../helpers/agent-process.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { flowBetween } from '../../helpers/flows.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'
import { Terminal } from '../../helpers/terminal.ts'

const cart = {
  namespace: 'shop',
  name: 'cart-0',
  netns: '/run/netns/7',
  mesh: 'istio',
  enabled: true,
}

async function serving(): Promise<RunningAgent> {
  const agent = new RunningAgent([cart])
  agent.datapath.flowTable = Array.from({ length: 40 }, () => flowBetween(7n, undefined))
  await agent.start()
  return agent
}

void test('as JSON it prints a document a line, until the user ends it', async (t) => {
  await using agent = await serving()
  for (const command of ['status', 'pods', 'flows', 'readers', 'reasons']) {
    const end = new AbortController()
    const lines: string[] = []
    const { code, stderr } = await runCommand(
      [command, '--socket', agent.socket, '-o', 'json', '--watch', '0.1'],
      {
        signal: end.signal,
        onStdout: (text) => {
          lines.push(text)
          if (lines.length === 3) end.abort()
        },
      },
    )
    t.match({ code, stderr }, { code: 0, stderr: '' })
    t.equal(lines.length, 3, command)
    for (const line of lines) {
      t.match(line, /^\{.*\}\n$/, 'one line')
      t.ok(JSON.parse(line))
    }
  }
})

void test('into a pipe one table follows the other', async (t) => {
  await using agent = await serving()
  const end = new AbortController()
  let texts = 0
  const { stdout } = await runCommand(['pods', '--socket', agent.socket, '-w', '0.1'], {
    signal: end.signal,
    onStdout: () => {
      texts += 1
      if (texts === 2) end.abort()
    },
  })
  t.match(stdout, /^POD .*\nshop\/cart-0 .*\n\nPOD .*\nshop\/cart-0 .*\n$/)
  t.notMatch(stdout, '\u001B', 'no escape sequences')
})

void test('an agent that ends while it is watched is said, and waited for', async (t) => {
  const agent = await serving()
  const end = new AbortController()
  const watching = runCommand(['status', '--socket', agent.socket, '-o', 'json', '-w', '0.1'], {
    signal: end.signal,
    onStdout: () => agent.terminate(),
    onStderr: (text) => /it is not running/.test(text) && end.abort(),
  })
  t.match((await watching).stderr, /^meshaccel: connect to the agent at .*: it is not running$/m)
  await agent[Symbol.asyncDispose]()
})

void test('a terminal is redrawn, with what fits, and is left as it was', async (t) => {
  await using agent = await serving()
  using terminal = new Terminal({ columns: 80, rows: 24 })
  const here = ['--socket', agent.socket].join(' ')
  terminal.run(`${process.execPath} ${cli} flows ${here} --watch 0.1; echo ended $?`)
  const text = await terminal.shows(/lines more$/)
  t.match(text, /^every 0\.1 s, Ctrl-C ends it: meshaccel flows .*\n\nCLIENT /)
  t.match(text, /^and 20 lines more$/m)
  t.equal(text.split('\n').length, 24)
  t.equal(terminal.modes, '1 0 0')

  agent.datapath.flowTable = [flowBetween(7n, undefined, { reason: 'remote-peer' })]
  const next = await terminal.shows(/tcp: remote-peer/)
  t.equal(next.split('\n').length, 4, 'nothing of the longer table is left')
  terminal.resize(40, 10)
  const narrow = await terminal.shows(/^CLIENT +SERVER +THERE +BACK\nshop/m)
  t.equal(narrow.split('\n').length, 4, 'nothing wraps')
  terminal.press('C-c')
  await terminal.shows(/^ended 0$/m)
  t.equal(terminal.modes, '0 1 1')
})

void test('an invalid interval', async (t) => {
  for (const seconds of ['soon', '0', '-1', '1e9']) {
    t.match(await runCommand(['status', `--watch=${seconds}`]), {
      code: 2,
      stderr: /--watch must be/,
    })
  }
})
