import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test, type Test } from 'tap'
import {
  configuration,
  nowhere,
  runPlugin,
  runPluginSync,
  socketPath,
} from '../../helpers/cni-plugin.ts'

/** Not in JSON.stringify's format: it must come back unchanged. */
const result = `{ "cniVersion":"0.4.0",\t"ips": [ {"version":"4", "address":"10.1.2.3/24"} ],
  "dns": {}, "note": "\\u00e9 } \\" ]"}`

const withResult = (socket: string, cniVersion = '0.4.0'): string =>
  `{"name": "pods", "prevResult": ${result}, "cniVersion": "${cniVersion}", "socket": "${socket}"}`

/** An agent that handles each connection as the test says, after it has read the call. */
async function agent(t: Test, answer: (socket: Socket) => void): Promise<string> {
  const path = socketPath(t)
  const sockets: Socket[] = []
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', () => undefined)
    socket.on('end', () => answer(socket))
  })
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return path
}

const versions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']

void test('without an agent', async (t) => {
  for (const version of versions) {
    t.match(runPluginSync({ command: 'ADD', input: withResult(nowhere, version) }), {
      code: 0,
      stdout: `${result}\n`,
      stderr: /agent at \/nonexistent\/cni\.sock: No such file .* goes on without it\n$/,
    })
    for (const command of ['DEL', 'CHECK', 'GC', 'STATUS']) {
      t.match(
        runPluginSync({ command, input: withResult(nowhere, version) }),
        { code: 0, stdout: '' },
        `${command} ${version}`,
      )
    }
    const said = runPluginSync({ command: 'VERSION', input: `{"cniVersion": "${version}"}` })
    t.equal(said.code, 0)
    t.strictSame(JSON.parse(said.stdout), { cniVersion: version, supportedVersions: versions })
  }
})

void test('an agent that answers', async (t) => {
  const path = await agent(t, (socket) => socket.end('done\n'))
  for (const command of ['ADD', 'DEL', 'GC']) {
    const stdout = command === 'ADD' ? `${result}\n` : ''
    t.match(await runPlugin({ command, input: withResult(path) }), { code: 0, stdout, stderr: '' })
  }
})

void test('agents that do not', async (t) => {
  const agents: [string, (socket: Socket) => void, RegExp][] = [
    ['is silent', () => undefined, /it did not answer in time/],
    ['hangs up', (socket) => socket.end(), /it hung up/],
    ['says rubbish', (socket) => socket.end('{"prevResult": \0\xff'.repeat(9999)), /^$/],
  ]
  for (const [name, answer, stderr] of agents) {
    await t.test(name, async (u) => {
      const path = await agent(u, answer)
      const run = { code: 0, stdout: `${result}\n`, stderr }
      u.match(await runPlugin({ command: 'ADD', input: withResult(path) }), run)
      const removed = await runPlugin({ command: 'DEL', input: withResult(path) })
      u.match(removed, { code: 0, stdout: '', stderr })
    })
  }
  await t.test('does not accept, its backlog full', async (u) => {
    const path = socketPath(u)
    const server = createServer((socket) => socket.destroy())
    server.listen({ path, backlog: 1 })
    await once(server, 'listening')
    const waiting = Array.from({ length: 8 }, () => connect(path).on('error', () => undefined))
    u.teardown(() => {
      for (const socket of waiting) socket.destroy()
      server.close()
    })
    const run = { code: 0, stdout: `${result}\n`, stderr: /it did not answer in time/ }
    u.match(runPluginSync({ command: 'ADD', input: withResult(path) }), run)
  })
  await t.test('resets', async (u) => {
    const path = socketPath(u)
    const server = createServer((socket) => socket.destroy())
    server.listen(path)
    await once(server, 'listening')
    u.teardown(() => server.close())
    const input = withResult(path)
    u.match(await runPlugin({ command: 'ADD', input }), {
      code: 0,
      stdout: `${result}\n`,
      stderr: /Connection reset by peer|Broken pipe|it hung up/,
    })
  })
  await t.test('does not read', async (u) => {
    const path = socketPath(u)
    const server = createServer({ pauseOnConnect: true }, () => undefined)
    server.listen(path)
    await once(server, 'listening')
    u.teardown(() => server.close())
    const large = `{"prevResult": {"a": "${'x'.repeat(3 << 20)}"}, "socket": "${path}"}`
    const said = runPluginSync({ command: 'ADD', input: large })
    u.equal(said.code, 0)
    u.equal(said.stdout.length, (3 << 20) + '{"a": ""}\n'.length)
    u.match(said.stderr, /it did not answer in time/)
  })
})

void test('the first of a chain has nothing to pass on', async (t) => {
  for (const prevResult of [undefined, null, 5, [], '{}']) {
    t.match(runPluginSync({ command: 'ADD', input: configuration({ prevResult }) }), {
      code: 0,
      stdout: '{"cniVersion": "1.0.0"}\n',
    })
  }
  const input = `{"socket": "${nowhere}"}`
  t.equal(runPluginSync({ command: 'ADD', input }).stdout, '{"cniVersion": "1.1.0"}\n')
})

void test('a socket that cannot be', async (t) => {
  const long = `/${'x'.repeat(150)}`
  t.match(runPluginSync({ command: 'ADD', input: withResult(long) }), {
    code: 0,
    stdout: `${result}\n`,
    stderr: /File name too long/,
  })
  const input = configuration({ socket: '/caf\u00e9' }).replace('\u00e9', '\\u0000')
  t.match(runPluginSync({ command: 'ADD', input }).stderr, /agent at \/run\/meshaccel\/cni\.sock/)
})

void test('what is no CNI at all', async (t) => {
  const wrong: [string | undefined, string, number][] = [
    [undefined, configuration(), 4],
    ['add', configuration(), 4],
    ['', configuration(), 4],
    ['ADD', '', 6],
    ['ADD', '[]', 6],
    ['ADD', '{"prevResult": {}', 6],
    ['ADD', `{"a": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 6],
    ['ADD', `{"a": "${'x'.repeat(5 << 20)}"}`, 5],
  ]
  for (const [command, input, code] of wrong) {
    const said = runPluginSync({ ...(command === undefined ? {} : { command }), input })
    t.equal(said.code, 1)
    t.match(JSON.parse(said.stdout), { cniVersion: '1.1.0', code, msg: String, details: String })
  }
})

void test('rubbish keeps no pod from going', async (t) => {
  for (const input of ['', '}{', '\0', 'x'.repeat(5 << 20)]) {
    for (const command of ['DEL', 'GC', 'CHECK', 'STATUS', 'VERSION']) {
      t.equal(runPluginSync({ command, input }).code, 0, command)
    }
  }
})
