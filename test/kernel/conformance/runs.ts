/** Runs all cases of one arm in parallel, and decides when their connections join. */
import type { FlowEndView, FlowView } from '../../../src/api/views.ts'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import { patience, until } from '../../helpers/retry.ts'
import type { ProbeRun } from './probe-run.ts'

export interface Outcome {
  readonly transcript: readonly string[]
  /** Why this kernel cannot run it. */
  readonly skipped?: string
  /** `joined`, or the reason; undefined without an agent, or if the case has ended before. */
  readonly membership?: string
}

export type Outcomes = ReadonlyMap<string, Outcome>

/**
 * Reasons that keep a connection on TCP for good. Other reasons may pass. `unseen` counts after the turns that every
 * case makes: its readers use no call that the agent sees.
 */
const barring: ReadonlySet<string> = new Set([
  'waitall',
  'truncated-read',
  'peeks',
  'unaccounted',
  'unseen',
  'splice',
  'rcvlowat',
  'zerocopy',
  'socket-option',
  'ulp',
  'mptcp',
  'remote-peer',
  'reader-changed',
  'quarantined',
  'asks-fionread',
  'blocking-reader',
])

/**
 * In the middle of a case the connection rests. With unread bytes it leaves after each join, and the result depends on
 * the polling speed.
 */
const resting: ReadonlySet<string> = new Set([...barring, 'tcp-unread', 'join-timeout'])

/** The number of equal polls that are required: a walk over a changing table may miss an end. */
const LOOKS = 10

export class Runs implements AsyncDisposable {
  readonly #all: readonly ProbeRun[]
  readonly #memberships = new Map<ProbeRun, string>()
  readonly #looks = new Map<ProbeRun, number>()
  /** The result of the last poll. */
  readonly #found = new Map<ProbeRun, string>()

  constructor(all: readonly ProbeRun[]) {
    this.#all = all
  }

  /** Has each connection make turns until both directions are redirected or it is kept out. Then its case begins. */
  async joinOneByOne(agent: AgentProcess): Promise<void> {
    await this.#until('all join or are kept out', async () => {
      const flows = await agent.flows()
      for (const run of this.#waiting()) {
        run.answer(this.#settle(run, flows, isRedirected) ? 'go' : 'more')
      }
      return this.#all.every((run) => run.over || this.#memberships.has(run))
    })
  }

  async reachTheirMiddle(): Promise<void> {
    await this.#until('all are in the middle', () =>
      this.#all.every((run) => run.over || run.waiting !== undefined),
    )
  }

  /** Waits until every connection has joined or is kept out. Then all cases continue. */
  async joinTogether(agent: AgentProcess): Promise<void> {
    await this.#until('all join or are kept out', async () => {
      const flows = await agent.flows()
      return (
        this.#waiting().filter((run) => !this.#settle(run, flows, isMember, resting)).length === 0
      )
    })
    for (const run of this.#waiting()) run.answer('go')
  }

  /** The transcripts of all, after all have ended. */
  async outcomes(): Promise<Outcomes> {
    await this.#until('all are over', () => this.#all.every(({ over }) => over))
    return new Map(this.#all.map((run) => [run.name, this.#outcome(run)]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((run) => run[Symbol.asyncDispose]()))
  }

  #outcome(run: ProbeRun): Outcome {
    const membership = this.#memberships.get(run)
    return {
      transcript: run.transcript,
      ...(run.skipped !== undefined && { skipped: run.skipped }),
      ...(membership !== undefined && { membership }),
    }
  }

  #waiting(): ProbeRun[] {
    return this.#all.filter((run) => run.waiting !== undefined)
  }

  /** Records the state of a run's waiting connection. Returns whether it is final. */
  #settle(
    run: ProbeRun,
    flows: readonly FlowView[],
    isIn: (flow: FlowView) => boolean,
    bars: ReadonlySet<string> = barring,
  ): boolean {
    if (this.#memberships.has(run)) return true
    const flow = findFlow(run, flows)
    const barred = flow
      ? flow.directions.find(({ reason }) => bars.has(reason ?? ''))?.reason
      : 'not watched'
    this.#found.set(run, flow ? inWords(flow) : 'not watched')
    const looks = barred === undefined ? 0 : (this.#looks.get(run) ?? 0) + 1
    this.#looks.set(run, looks)
    if (flow && isIn(flow)) this.#memberships.set(run, 'joined')
    else if (barred !== undefined && looks >= LOOKS) this.#memberships.set(run, barred)
    return this.#memberships.has(run)
  }

  /** Waits for all runs; the error names those that failed. */
  async #until(what: string, look: () => Promise<boolean> | boolean): Promise<void> {
    try {
      // On a slow machine a poll costs as much as the event that it waits for.
      await until(what, look, { pauseMs: 100 * patience, attempts: Math.ceil(300 / patience) })
    } catch (cause) {
      const left = this.#all.filter((run) => !run.over && !this.#memberships.has(run))
      const words = left.map((run) => `${run.name} (${this.#found.get(run) ?? 'never seen'})`)
      throw new Error(`left over: ${words.join(', ')}`, { cause })
    }
  }
}

/** Under `proxies-only` a member whose reader is no sidecar stays on TCP. */
function isRedirected({ state, directions }: FlowView): boolean {
  return (
    state === 'joined' &&
    directions.every(({ path, reason }) => path === 'redirect' || reason === 'unknown-reader')
  )
}

function inWords({ state, directions }: FlowView): string {
  return [state, ...directions.map(({ path, reason }) => reason ?? path)].join(' ')
}

function isMember({ state }: FlowView): boolean {
  return state === 'joined'
}

/** If an end is not watched or was missed, the flow has only the other one. */
function findFlow({ pod, waiting }: ProbeRun, flows: readonly FlowView[]): FlowView | undefined {
  if (!waiting) return undefined
  const ends = flows.map((flow) => ({
    flow,
    client: isEnd(flow.client, pod.name, waiting.client),
    server: isEnd(flow.server, pod.name, waiting.server),
  }))
  const both = ends.find(({ client, server }) => client && server)
  return (both ?? ends.find(({ client, server }) => client || server))?.flow
}

function isEnd(end: FlowEndView | undefined, podName: string, port: number): boolean {
  return end !== undefined && end.pod.endsWith(`/${podName}`) && end.address.endsWith(`:${port}`)
}
