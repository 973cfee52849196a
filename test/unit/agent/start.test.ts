import { existsSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'tap'
import { runCommand } from '../../helpers/cli-run.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'

const cart = {
  namespace: 'shop',
  name: 'cart-0',
  netns: '/run/netns/7',
  mesh: 'istio',
  enabled: true,
}
const web = {
  namespace: 'shop',
  name: 'web-0',
  netns: '/run/netns/8',
  mesh: 'linkerd',
  enabled: true,
}

void test('enrols what the file says and follows its changes', async (t) => {
  await using agent = new RunningAgent([cart])
  await agent.start()
  t.strictSame(
    [...agent.datapath.pods.values()],
    [{ netnsCookie: 7n, netnsPath: '/run/netns/7', proxyUid: 1337 }],
  )
  agent.write([{ ...cart, enabled: false }, web])
  await agent.said('"pod":"shop/web-0"')
  t.strictSame([...agent.datapath.enrolled()], [8n])
  agent.write([cart, web])
  await agent.said('"pod":"shop/cart-0"', agent.stderr.length)
  t.strictSame(agent.datapath.enrolled(), new Set([8n, 7n]))
})

void test('withdraws what an earlier agent left and no file names', async (t) => {
  await using agent = new RunningAgent([cart])
  agent.datapath.pods.set(99n, undefined)
  agent.datapath.pods.set(7n, undefined)
  await agent.start()
  t.strictSame(agent.datapath.calls.slice(0, 2), ['withdraw 99', 'enrol 7'])
})

void test('keeps the last good state on a bad file, and says what is wrong', async (t) => {
  await using agent = new RunningAgent([cart])
  await agent.start()
  agent.writeText('pods:\n  - namespace: shop\n    nam: x\n')
  await agent.said('the last good one stays')
  t.strictSame([...agent.datapath.enrolled()], [7n])
  const { stdout } = await agent.run('status', '-o', 'json')
  t.match(JSON.parse(stdout), { podsFileError: /pods\.yaml:3:5: unknown field `nam`/ })
  agent.write([web])
  await agent.said('"pod":"shop/web-0"')
  t.notOk('podsFileError' in JSON.parse((await agent.run('status', '-o', 'json')).stdout))
})

void test('a bad file at the start ends it before the kernel is touched', async (t) => {
  await using agent = new RunningAgent()
  agent.writeText('pods: [')
  await agent.start()
  const result = await agent.result
  t.equal(result?.code, 1)
  t.match(result?.stderr, /pods\.yaml:1:\d+: not YAML/)
  t.strictSame(agent.datapath.calls, [])
  t.notOk(existsSync(agent.socket))
  t.notOk(existsSync(`${agent.socket}.lock`))
})

void test('a second agent is refused, and the first goes on', async (t) => {
  await using agent = new RunningAgent([cart])
  await agent.start()
  const second = await agent.run('agent', '--pods', `file:${agent.podsFile}`)
  t.equal(second.code, 1)
  t.match(second.stderr, /another meshaccel agent is running\n {2}See it with/)
  t.equal((await agent.run('status')).code, 0)
  t.equal(agent.datapath.closed, 0)
})

void test('the socket is for root only, and gone afterwards', async (t) => {
  await using agent = new RunningAgent([cart])
  await agent.start()
  t.equal(statSync(agent.socket).mode & 0o777, 0o600)
  t.equal(statSync(`${agent.directory}/run`).mode & 0o777, 0o700)
  agent.terminate()
  t.equal((await agent.result)?.code, 0)
  t.notOk(existsSync(agent.socket))
  t.notOk(existsSync(`${agent.socket}.lock`))
  t.strictSame(agent.datapath.calls, ['enrol 7', 'close'], 'the pins stay')
  t.equal(agent.cleanups, 0)
})

void test('something else at the path of the socket is left alone', async (t) => {
  await using agent = new RunningAgent([cart])
  writeFileSync(`${agent.directory}/precious`, '')
  const socket = `${agent.directory}/precious`
  const { code, stderr } = await runCommand(
    ['agent', '--pods', `file:${agent.podsFile}`, '--socket', socket],
    { agentParts: agent.parts },
  )
  t.equal(code, 1)
  t.match(stderr, /something else than a socket is there/)
  t.ok(existsSync(`${agent.directory}/precious`))
})

void test('--cleanup-on-exit drains, lets go and removes, in this order', async (t) => {
  await using agent = new RunningAgent([cart])
  await agent.start('--cleanup-on-exit')
  agent.terminate()
  t.equal((await agent.result)?.code, 0)
  t.strictSame(agent.datapath.calls, ['enrol 7', 'drain', 'close'])
  t.equal(agent.cleanups, 1)
})

void test('--cleanup-on-exit says so when it cannot drain', async (t) => {
  await using agent = new RunningAgent([cart])
  agent.datapath.drainError = new Error('3 members stay')
  await agent.start('--cleanup-on-exit')
  agent.terminate()
  t.match(await agent.result, { code: 1, stderr: /meshaccel: 3 members stay/ })
  t.equal(agent.datapath.closed, 1)
  t.equal(agent.cleanups, 0)
})

void test('a refused kernel: stays up, enrols nothing, says why', async (t) => {
  await using agent = new RunningAgent([cart])
  agent.datapath.policy = 'refused'
  agent.datapath.refusedBecause = 'no netns cookie'
  await agent.start()
  const { code, stdout } = await agent.run('status', '-o', 'json')
  t.equal(code, 1)
  t.match(JSON.parse(stdout), {
    state: 'refused',
    policy: 'refused',
    refusedBecause: 'no netns cookie',
    pods: { seen: 1, enrolled: 0 },
  })
  t.match((await agent.run('pods')).stdout, /no: refused/)
  t.match(await agent.run('resume'), {
    code: 1,
    stderr: /resume: no netns cookie\n {2}`meshaccel doctor`/,
  })
  t.equal((await agent.run('drain')).code, 0)
  t.strictSame(agent.datapath.calls, [])
})

void test('a kernel that is judged after all: its pods are enrolled', async (t) => {
  await using agent = new RunningAgent([cart])
  agent.datapath.policy = 'refused'
  agent.datapath.refusedBecause = 'too slow to tell'
  await agent.start()
  t.strictSame(agent.datapath.calls, [])
  agent.datapath.policy = 'full'
  delete agent.datapath.refusedBecause
  await agent.said('"msg":"enrolled"')
  t.strictSame(agent.datapath.calls, ['enrol 7'])
  const { stdout } = await agent.run('status', '-o', 'json')
  t.match(JSON.parse(stdout), { state: 'accelerating', policy: 'full' })
  t.notMatch(stdout, /refusedBecause/)
})

void test('a data path that cannot be opened leaves nothing', async (t) => {
  await using agent = new RunningAgent([cart])
  const parts = {
    ...agent.parts,
    openDatapath: () => {
      throw new Error('no BTF')
    },
  }
  const result = await runCommand(
    ['agent', '--pods', `file:${agent.podsFile}`, '--socket', agent.socket],
    { agentParts: parts },
  )
  t.match(result, { code: 1, stderr: 'meshaccel: no BTF\n' })
  t.notOk(existsSync(`${agent.socket}.lock`))
})

void test('cleanup ends the agent after its answer', async (t) => {
  await using agent = new RunningAgent([cart])
  await agent.start()
  t.match(await agent.run('cleanup'), { code: 0, stderr: /everything removed/ })
  t.equal((await agent.result)?.code, 0)
  t.strictSame(agent.datapath.calls, ['enrol 7', 'drain', 'close'])
  t.equal(agent.cleanups, 1)
})

void test('a cleanup that cannot drain leaves the agent running', async (t) => {
  await using agent = new RunningAgent([cart])
  await agent.start()
  agent.datapath.drainError = new Error('3 members stay')
  t.match(await agent.run('cleanup'), { code: 1, stderr: /3 members stay/ })
  t.equal((await agent.run('status')).code, 0)
})

void test('a cleanup that fails ends the agent as failed', async (t) => {
  await using agent = new RunningAgent([cart])
  await agent.start()
  agent.cleanupError = new Error('a pin is busy')
  t.match(await agent.run('cleanup'), { code: 1, stderr: /a pin is busy/ })
  t.equal((await agent.result)?.code, 1)
})
