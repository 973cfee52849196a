import { existsSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { ReaderView, StatusView } from '../../../src/api/views.ts'
import { AgentProcess, tally } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import type { Mesh, Pod } from '../../helpers/mesh.ts'
import { until } from '../../helpers/retry.ts'
import type { RoundsReport } from './traffic/rounds.ts'

/** All of this is slow on a busy machine. */
const SLOW_MS = 120_000
const slowly = { attempts: SLOW_MS / 100 }

/** A client that checks every byte, in a pod; it ends with the mesh at the latest. */
export class Client {
  readonly name: string
  readonly child: Child<RoundsReport>

  private constructor(name: string, child: Child<RoundsReport>) {
    this.name = name
    this.child = child
  }

  /** Starts test/system/software/traffic/NAME.ts; resolves when each of its connections has made a round. */
  static async start(pod: Pod, name: string, options: object): Promise<Client> {
    const client = new Client(name, pod.script<RoundsReport>(name, options))
    await client.child.take('ready', SLOW_MS)
    return client
  }

  progress(): Promise<RoundsReport> {
    this.child.signal('SIGUSR1')
    return this.child.take('progress')
  }

  /** Waits until every connection has made two more rounds: the second one began after this call. */
  async goesOn(): Promise<void> {
    const { slowest } = await this.progress()
    await until(
      `${this.name} goes on`,
      async () => (await this.progress()).slowest >= slowest + 2,
      slowly,
    )
  }

  /** Ends it after the current rounds. */
  end(): Promise<RoundsReport> {
    this.child.signal('SIGTERM')
    return this.child.take('end', SLOW_MS)
  }
}

/** Waits until a server in the pod listens on the port. */
export async function listening(pod: Pod, port: number): Promise<void> {
  await until(`port ${port} of ${pod.name} is open`, () =>
    pod.exec('ss', '-Hltn', `sport = :${port}`).includes('LISTEN'),
  )
}

/** Waits until each of the servers' ports has a connection with both directions on the fast path. */
export async function redirected(agent: AgentProcess, ports: readonly number[]): Promise<void> {
  const missing = async (): Promise<number[]> => {
    const flows = await agent.flows()
    const fast = flows.filter(({ directions }) =>
      directions.every(({ path, redirectedBytes }) => path !== 'tcp' && redirectedBytes > 0n),
    )
    return ports.filter((port) => !fast.some(({ server }) => server?.address.endsWith(`:${port}`)))
  }
  const none = async (): Promise<boolean> => (await missing()).length === 0
  await until('they are redirected', none, slowly).catch(async () => {
    const { reasons } = await agent.status()
    const state = `${tally(await agent.flows())}; ${tellReasons(reasons)}`
    throw new Error(`not redirected: ports ${(await missing()).join(', ')}: ${state}`)
  })
}

/**
 * The whole life of an agent while the clients' traffic continues: it starts, is killed, comes back, is replaced by
 * another version, drains, resumes, and is cleaned up. At the end no exchange has failed and no byte is wrong. Resolves
 * to the number of bytes that the last version redirected.
 */
export async function liveThrough(
  t: Test,
  mesh: Mesh,
  clients: readonly Client[],
  ports: readonly number[],
): Promise<bigint> {
  const goOn = async (): Promise<void> => {
    await Promise.all(clients.map((client) => client.goesOn()))
  }
  const phase = async (name: string, run: () => Promise<void>): Promise<void> => {
    const began = performance.now()
    await run()
    t.comment(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
  }
  let agent = await mesh.startAgent()
  await phase('joined', async () => {
    await redirected(agent, ports)
    await goOn()
  })
  await phase('killed', async () => {
    await agent.kill('SIGKILL')
    await goOn()
  })
  await phase('adopted', async () => {
    agent = await mesh.startAgent()
    t.match(agent.log, /"msg":"adopted"/)
    await redirected(agent, ports)
    await goOn()
  })
  await phase('replaced by another version', async () => {
    await noneWasReset(t, agent)
    await agent.kill('SIGTERM')
    const [version = ''] = readdirSync(mesh.pinDir)
    renameSync(join(mesh.pinDir, version), join(mesh.pinDir, otherThan(version)))
    agent = await mesh.startAgent()
    t.match(agent.log, /"msg":"attached"/)
    await redirected(agent, ports)
    await goOn()
  })
  await phase('drained', async () => {
    await agent.client.call('Drain', { timeoutMs: 60_000 })
    const before = (await agent.status()).totals.redirectedBytes
    await goOn()
    t.equal((await agent.status()).totals.redirectedBytes, before, 'nothing is redirected')
  })
  await phase('resumed', async () => {
    await agent.client.call('Resume', {})
    await redirected(agent, ports)
    await goOn()
  })
  await noneWasReset(t, agent)
  const { redirectedBytes } = (await agent.status()).totals
  await phase('cleaned up', async () => {
    AgentProcess.cleanup(mesh)
    t.notOk(existsSync(mesh.pinDir), 'no pin is left')
    await goOn()
  })
  for (const client of clients) {
    const report = await client.end()
    t.match(report, { wrong: 0, failed: 0, error: '' }, client.name)
    t.comment(`${client.name}: ${report.rounds} rounds`)
  }
  return redirectedBytes
}

/** Counted by one version of the data path; the next version starts at 0. */
async function noneWasReset(t: Test, agent: AgentProcess): Promise<void> {
  const { reasons, totals } = await agent.status()
  t.comment(`${totals.redirectedBytes} bytes redirected; ${tellReasons(reasons)}`)
  t.equal(reasons['reset'] ?? 0n, 0n, 'no connection was reset')
}

/**
 * Programs that read, are proven, and then begin to splice. After each quarantine they are forgiven, so that their next
 * connections join and splice, too. No byte is ever wrong. Exchanges fail only if connections were reset. None is reset
 * once the programs stay in quarantine.
 */
export async function turned(t: Test, mesh: Mesh, clients: readonly Client[]): Promise<void> {
  const agent = await mesh.startAgent()
  const quarantined = async (): Promise<ReaderView[]> =>
    (await agent.client.call('Readers', {})).readers.filter((reader) => reader.quarantined)
  const goOn = (): Promise<unknown> => Promise.all(clients.map((client) => client.goesOn()))
  for (let time = 1; time <= 5; time++) {
    const readers = await until(
      'one is caught',
      async () => {
        const caught = await quarantined()
        return caught.length > 0 && caught
      },
      slowly,
    )
    t.ok(
      readers.every(({ evidence }) => evidence === 'splice'),
      `caught ${time} times`,
    )
    if (time < 5) for (const reader of readers) await agent.client.call('Forgive', reader)
  }
  t.ok((await agent.status()).totals.redirectedBytes > 0n, 'they had been redirected')
  await until('its connections have left', async () =>
    (await agent.flows()).every(({ state }) => state === 'watched'),
  )
  await goOn()
  const before = await Promise.all(clients.map((client) => client.progress()))
  await goOn()
  const { reasons } = await agent.status()
  const resets = reasons['reset'] ?? 0n
  t.comment(tellReasons(reasons))
  for (const [i, client] of clients.entries()) {
    const report = await client.end()
    t.equal(report.wrong, 0, `${client.name}: no byte is wrong: ${report.error}`)
    t.equal(report.failed, before[i]?.failed, `${client.name}: none fails in quarantine`)
    t.ok(
      report.failed === 0 || resets > 0n,
      `${client.name}: ${report.failed} failed: ${report.error}`,
    )
    t.comment(`${client.name}: ${report.rounds} rounds, ${report.failed} failed, ${resets} resets`)
  }
}

const tellReasons = (reasons: StatusView['reasons']): string =>
  Object.entries(reasons)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ')

/** The name of another version's pins. */
const otherThan = (version: string): string =>
  version.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
