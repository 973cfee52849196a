import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PageData } from '../../../src/cli/ui/page-types.ts'
import { ProcessCost } from '../churn/process-cost.ts'
import { type AgentProcess, cli, tally } from '../../helpers/agent-process.ts'
import type { Child } from '../../helpers/child.ts'
import type { Mesh } from '../../helpers/mesh.ts'
import { until } from '../../helpers/retry.ts'

export interface ManyFlowsOptions {
  readonly flows: number
  readonly seconds: number
}

/** The agent's cost while so many connections are open. */
export interface ManyFlowsReport {
  readonly flows: number
  /** Connections with both directions redirected. */
  readonly engaged: number
  readonly openedAfterMs: number
  /** From then on, with some turns on each connection. */
  readonly joinedAfterMs: number
  /** No traffic and no requests to the agent. */
  readonly idle: Cost
  /** A turn in each pod every millisecond. */
  readonly busy: Cost
  /** Busy, with requests for the page and the metrics once a second. */
  readonly watched: Asked
  /** The same, plus the command that lists all connections in JSON, again and again. */
  readonly listed: Asked
}

interface Asked extends Cost {
  /** `healthz` is the delay of a health probe: how long the agent does nothing else. */
  readonly answerMs: Readonly<Partial<Record<Question, Spread>>>
}

type Question = 'page' | 'metrics' | 'flows' | 'healthz'

interface Cost {
  /** CPU share of one core. */
  readonly cpuPercent: number
  readonly highestRssMiB: number
}

interface Spread {
  readonly count: number
  readonly median: number
  readonly longest: number
}

/** The output of test/traffic/crowd.c. */
interface Crowded {
  readonly event: string
  readonly turns: number
}

/** Opens the connections in all pods of the mesh, has them join, and requests all that the agent reports. */
export async function manyFlows(
  mesh: Mesh,
  { flows, seconds }: ManyFlowsOptions,
  say: (text: string) => void,
): Promise<ManyFlowsReport> {
  const agent = await mesh.startAgent('--metrics', '127.0.0.1:0')
  const began = performance.now()
  const crowds = mesh.pods.map((pod, index) => {
    const share = Math.floor((flows + index) / mesh.pods.length)
    return pod.run<Crowded>('crowd', [String(share)])
  })
  await using _ = { [Symbol.asyncDispose]: () => endAll(crowds) }
  await Promise.all(crowds.map((crowd) => crowd.take('ready', 300_000)))
  const opened = performance.now()
  say(`${flows} connections are open`)
  let engaged = 0
  await until(
    'they join',
    async () => {
      await Promise.all(crowds.map((crowd) => ask(crowd, 'turn')))
      ;({ engaged } = (await agent.status()).connections)
      say(`${engaged} are engaged`)
      return engaged >= flows
    },
    { pauseMs: 500, attempts: 60 },
  ).catch(async (cause: unknown) => {
    throw new Error(tally(await agent.flows()), { cause })
  })
  const joined = performance.now()

  const cost = new ProcessCost(agent.pid)
  const phase = async (name: string, work: () => Promise<unknown>): Promise<Cost> => {
    cost.begin()
    await work()
    const result = cost.end()
    say(`${name}: ${JSON.stringify(result)}`)
    return result
  }
  const rest = (): Promise<void> => sleep(seconds * 1000)
  const idle = await phase('idle', rest)
  for (const crowd of crowds) crowd.write('busy\n')
  const busy = await phase('busy', rest)
  const questions = new Questions(agent, mesh.socket)
  const asked = async (name: string, ...all: Question[]): Promise<Asked> => {
    let answerMs: Asked['answerMs'] = {}
    const taken = await phase(name, async () => {
      answerMs = await questions.ask(all, seconds * 1000)
    })
    return { ...taken, answerMs }
  }
  const watched = await asked('watched', 'page', 'metrics', 'healthz')
  const listed = await asked('listed', 'page', 'metrics', 'healthz', 'flows')
  return {
    flows,
    engaged,
    openedAfterMs: opened - began,
    joinedAfterMs: joined - opened,
    idle,
    busy,
    watched,
    listed,
  }
}

async function ask(crowd: Child<Crowded>, command: string): Promise<void> {
  crowd.write(`${command}\n`)
  await crowd.take(command, 300_000)
}

async function endAll(crowds: readonly AsyncDisposable[]): Promise<void> {
  for (const crowd of crowds) await crowd[Symbol.asyncDispose]()
}

/** Makes the requests of observers. The commands are separate processes. */
class Questions {
  readonly #agent: AgentProcess
  readonly #socket: string

  constructor(agent: AgentProcess, socket: string) {
    this.#agent = agent
    this.#socket = socket
  }

  /** Repeats all requests. Resolves to the durations of the answers. */
  async ask(questions: readonly Question[], forMs: number): Promise<Asked['answerMs']> {
    const port = /"port":(\d+),"msg":"serves probes and metrics"/.exec(this.#agent.log)?.[1]
    const http = `http://127.0.0.1:${port}`
    const ui = this.#command('pipe', 'ui')
    const [page] = await once(ui.stdout ?? ui, 'data')
    const ways: Readonly<Record<Question, () => Promise<unknown>>> = {
      page: async () => {
        const { overview }: PageData = JSON.parse(await get(`${String(page).trim()}api/overview`))
        if (overview.hops.length === 0) throw new Error('the page shows nothing')
      },
      metrics: () => get(`${http}/metrics`),
      flows: async () => {
        const [code] = await once(this.#command('ignore', 'flows', '-o', 'json'), 'close')
        if (code !== 0) throw new Error(`flows: ${code}`)
      },
      healthz: () => get(`${http}/healthz`),
    }
    const over = new AbortController()
    const asking = questions.map(async (name) => {
      const everyMs = name === 'healthz' ? 5 : 1000
      return [name, spread(await again(everyMs, over.signal, ways[name]))] as const
    })
    try {
      await Promise.race([sleep(forMs), Promise.all(asking)])
      over.abort()
      return Object.fromEntries(await Promise.all(asking))
    } finally {
      over.abort()
      ui.kill()
    }
  }

  #command(stdout: 'pipe' | 'ignore', ...argv: string[]): ChildProcess {
    const args = [cli, ...argv, '--socket', this.#socket]
    return spawn(process.execPath, args, { stdio: ['ignore', stdout, 'ignore'] })
  }
}

/** Repeats a request until the end. Resolves to the duration of each answer in ms. */
async function again(
  everyMs: number,
  signal: AbortSignal,
  question: () => Promise<unknown>,
): Promise<number[]> {
  const took: number[] = []
  while (!signal.aborted) {
    const asked = performance.now()
    await question()
    took.push(performance.now() - asked)
    await sleep(Math.max(0, everyMs - (performance.now() - asked)))
  }
  return took
}

async function get(url: string): Promise<string> {
  const response = await fetch(url)
  const text = await response.text()
  if (response.status !== 200) throw new Error(text)
  return text
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other)
  return {
    count: sorted.length,
    median: sorted[Math.floor(sorted.length / 2)] ?? 0,
    longest: sorted.at(-1) ?? 0,
  }
}
