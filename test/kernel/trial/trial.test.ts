import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { TrialOutcome } from '../../../src/cli/trial/outcome.ts'
import { allRedirected, type AgentProcess } from '../../helpers/agent-process.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'
import { SteadyLoad } from '../../helpers/steady-load.ts'

const CONNECTIONS = 8
const SHORT = ['--for', '18s', '--window', '1500ms']

const load = (mesh: Mesh): Promise<SteadyLoad> =>
  SteadyLoad.start(mesh.pod(0), mesh.pod(1), CONNECTIONS)

/** The bytes that took the fast path, in all windows of one kind. */
const redirectedIn = ({ windows }: TrialOutcome, on: boolean): number =>
  windows.filter((one) => one.on === on).reduce((sum, one) => sum + one.redirectedBytes, 0)

async function untilAccelerated(agent: AgentProcess): Promise<void> {
  await until('everything is redirected', async () =>
    allRedirected(await agent.flows(), CONNECTIONS),
  )
}

void test('a trial compares live traffic, and leaves everything as the pods file says', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const agent = await mesh.startAgent()
  await using traffic = await load(mesh)
  await untilAccelerated(agent)
  const report = join(mesh.directory, 'trial.html')
  const args = ['trial', 'shop', ...SHORT, '--socket', mesh.socket, '-o', 'json']
  const running = runCommand([...args, '--report', report])
  await until('the status shows it', async () => (await agent.status()).trial?.namespace === 'shop')
  t.match(await runCommand(args), { code: 1, stderr: /a trial of namespace shop runs already/ })

  const { code, stdout, stderr } = await running
  t.equal(code, 0, stderr)
  const outcome: TrialOutcome & { readonly advice: string } = JSON.parse(stdout)
  t.match(stderr, /the agent measures every request during the trial/)
  t.equal(outcome.windows.length, 12)
  t.equal(outcome.requestsOf, 'programs')
  const [on, off] = [true, false].map((wanted) => redirectedIn(outcome, wanted))
  t.ok((on ?? 0) > (off ?? 0), `${on} and ${off} bytes`)
  for (const window of outcome.windows) {
    t.ok(window.requests > 0 && window.p50Us > 0 && window.p50Us <= window.p99Us, 'it measures')
    t.ok((window.cpuUsPerRequest ?? 0) > 0, 'the cgroup of the pods accounts for them')
  }
  for (const ratio of Object.values(outcome.ratios)) {
    t.ok(ratio.low <= ratio.median && ratio.median <= ratio.high)
  }
  t.ok(outcome.advice.length > 0)
  t.match(readFileSync(report, 'utf8'), /Trial of namespace shop/)
  t.comment(JSON.stringify({ ...outcome, windows: [], share: [on, off] }))

  t.equal((await agent.status()).trial, undefined)
  await untilAccelerated(agent)
  await traffic.end(t)
})

void test('a namespace that was not enrolled is not enrolled afterwards', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t, { enabled: 'unset' })
  const agent = await mesh.startAgent()
  await using traffic = await load(mesh)
  const stop = new AbortController()
  const running = runCommand(['trial', 'shop', ...SHORT, '--socket', mesh.socket], {
    signal: stop.signal,
    onStderr: (text) => {
      if (text.startsWith('window 3 ')) stop.abort()
    },
  })
  await until('it is accelerated meanwhile', async () =>
    (await agent.flows()).some(({ state }) => state === 'joined'),
  )
  t.match(await running, { code: 1, stderr: /ended early/, stdout: /not sure yet/ })
  t.match(await agent.status(), { pods: { enrolled: 0 }, trial: undefined })
  await until('no member is left', async () =>
    (await agent.flows()).every(({ state }) => state === 'watched'),
  )
  await traffic.end(t)
})

void test('a killed command or agent leaves nothing behind', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  let agent = await mesh.startAgent()
  await using traffic = await load(mesh)
  const command = [mesh.cli, 'trial', 'shop', '--socket', mesh.socket]
  /** Waits for a window on TCP, which differs from what the pods file says. */
  const isOff = async (): Promise<boolean> => (await agent.status()).trial?.on === false

  const client = spawn(process.execPath, [...command, ...SHORT], { stdio: 'ignore' })
  await until('it switches off', isOff)
  client.kill('SIGKILL')
  await until('the agent notices', async () => (await agent.status()).trial === undefined)
  await untilAccelerated(agent)

  const running = runCommand(['trial', 'shop', ...SHORT, '--socket', mesh.socket])
  await until('it switches off', isOff)
  await agent.kill('SIGKILL')
  t.match(await running, { code: 1, stderr: /the agent has ended/ })
  agent = await mesh.startAgent()
  t.equal((await agent.status()).trial, undefined)
  await untilAccelerated(agent)

  const ended = runCommand(['trial', 'shop', ...SHORT, '--socket', mesh.socket])
  await until('it switches off', isOff)
  await agent.kill('SIGTERM')
  t.match(await ended, { code: 1, stderr: /the agent has ended/ })
  agent = await mesh.startAgent()
  await untilAccelerated(agent)
  await traffic.end(t)
})

void test('traffic that cannot join takes TCP in both kinds of windows', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  mesh.exclude([[mesh.pod(1), 'ports: [1-65535]']])
  await mesh.startAgent()
  await using traffic = await load(mesh)
  const args = ['--for', '12s', '--window', '1s', '--socket', mesh.socket, '-o', 'json']
  const { code, stdout, stderr } = await runCommand(['trial', 'shop', ...args])
  t.equal(code, 0, stderr)
  const outcome: TrialOutcome = JSON.parse(stdout)
  const { windows, redirectedShare, verdict, ratios } = outcome
  t.equal(redirectedShare, 0)
  t.ok(windows.every(({ redirectedBytes, tcpBytes }) => redirectedBytes === 0 && tcpBytes > 0))
  t.comment(`${verdict}: ${JSON.stringify(ratios)}`)
  await traffic.end(t)
})
