/**
 * `npx tsx test/kernel/trial/many.ts [TRIALS]`: makes many short trials under load, one after another (100). Every other one is
 * broken off in the middle: its command is killed, its agent is killed, or both stand still for a while, as on a machine that
 * sleeps. No request may fail, and afterwards everything must be as the pods file says. Takes some ten minutes.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { allRedirected, type AgentProcess } from '../../helpers/agent-process.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { until } from '../../helpers/retry.ts'
import { SteadyLoad } from '../../helpers/steady-load.ts'

const CONNECTIONS = 8
const SHORT = ['--for', '6s', '--window', '500ms']
const SLEEP_MS = 1_500
const endings = ['command', 'agent', 'sleep'] as const

const trials = Number(process.argv[2] ?? 100)
await using mesh = await Mesh.make({ teardown: () => undefined })
let agent = await mesh.startAgent()
await using load = await SteadyLoad.start(mesh.pod(0), mesh.pod(1), CONNECTIONS)
await untilAccelerated()

const counts = new Map<string, number>()
for (let index = 0; index < trials; index += 1) {
  const ending = index % 2 === 0 ? undefined : endings[((index - 1) / 2) % endings.length]
  await trial(ending)
  await until('no trial runs', async () => (await agent.status()).trial === undefined)
  await untilAccelerated()
  const name = ending ?? 'complete'
  counts.set(name, (counts.get(name) ?? 0) + 1)
  console.log(`${index + 1} of ${trials}: ${name}`)
}
await load.assertWhole()
console.log(
  `no request failed; ${[...counts].map(([name, count]) => `${count} ${name}`).join(', ')}`,
)

async function trial(ending: (typeof endings)[number] | undefined): Promise<void> {
  const args = [mesh.cli, 'trial', 'shop', ...SHORT, '--socket', mesh.socket]
  const command = spawn(process.execPath, args, { stdio: 'ignore' })
  const closed = once(command, 'close')
  if (ending !== undefined) {
    await until('it switches off', async () => (await agent.status()).trial?.on === false)
    if (ending === 'command') command.kill('SIGKILL')
    if (ending === 'agent') {
      await agent.kill('SIGKILL')
      await closed
      agent = await mesh.startAgent()
    }
    if (ending === 'sleep') await standStill(agent, command.pid ?? 0)
  }
  const [code] = await closed
  if (ending === undefined || ending === 'sleep') assert.equal(code, 0, `the exit code is ${code}`)
}

async function standStill({ pid }: AgentProcess, other: number): Promise<void> {
  for (const each of [pid, other]) process.kill(each, 'SIGSTOP')
  try {
    await sleep(SLEEP_MS)
  } finally {
    for (const each of [pid, other]) process.kill(each, 'SIGCONT')
  }
}

async function untilAccelerated(): Promise<void> {
  await until('everything is redirected', async () =>
    allRedirected(await agent.flows(), CONNECTIONS),
  )
}
