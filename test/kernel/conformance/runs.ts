/** All cases of one arm, side by side, and when their connections join. */
import type { FlowEndView, FlowView } from '../../../src/api/views.ts'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import { patience, until } from '../../helpers/retry.ts'
import type { ProbeRun } from './probe-run.ts'

export interface Outcome {
  readonly transcript: readonly string[]
  /** Why this kernel cannot run it. */
  readonly skipped?: string
  /** `joined`, or why not; undefined without an agent, and where the case has ended before. */
  readonly membership?: string
}

export type Outcomes = ReadonlyMap<string, Outcome>

/** What keeps a connection on TCP for good; other reasons may pass. `unseen`, after the turns that every case takes: its
 * readers receive by no call that the agent sees. */
const barring: ReadonlySet<string> = new Set([
  'waitall',
  'truncated-read',
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
  'blocking-reader',
])

/** In the middle of a case its connection rests: with bytes unread it leaves again as often as it has joined, and when that
 * is seen depends on how fast one looks. */
const resting: ReadonlySet<string> = new Set([...barring, 'tcp-unread', 'join-timeout'])

/** So many looks must find the same: a walk over a table that changes may miss an end. */
const LOOKS = 10

export class Runs implements AsyncDisposable {
  readonly #all: readonly ProbeRun[]
  readonly #memberships = new Map<ProbeRun, string>()
  readonly #looks = new Map<ProbeRun, number>()
  /** What the last look found. */
  readonly #found = new Map<ProbeRun, string>()

  constructor(all: readonly ProbeRun[]) {
    this.#all = all
  }

  /** Lets each connection take turns until both its directions are redirected, or it is kept out; then begins its case. */
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

  /** Waits until every connection has joined or is kept out; then all cases go on. */
  async joinTogether(agent: AgentProcess): Promise<void> {
    await this.#until('all join or are kept out', async () => {
      const flows = await agent.flows()
      return (
        this.#waiting().filter((run) => !this.#settle(run, flows, isMember, resting)).length === 0
      )
    })
    for (const run of this.#waiting()) run.answer('go')
  }

  /** What all have seen, once all are over. */
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

  /** Notes what has become of the connection that a run waits with. Returns whether that is its last word. */
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

  /** Names those that it does not come about for. */
  async #until(what: string, look: () => Promise<boolean> | boolean): Promise<void> {
    try {
      // To look costs a slow machine as much as what it looks for.
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

/** Where an end is not watched, or was missed, the flow has only the other one. */
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
