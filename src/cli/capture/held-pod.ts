import { setTimeout as pause } from 'node:timers/promises'
import type { ControlClient } from '../../api/client.ts'
import type { HeldPodView, HoldEventView, HoldWaitingView } from '../../api/views.ts'
import { formatDuration } from '../../lib/duration.ts'
import { isExplained, MeshaccelError } from '../../lib/errors.ts'

export interface HoldOptions {
  /** `namespace/name`. */
  readonly pod: string
  /** Aborted when the user ends the command. */
  readonly end: AbortSignal
  /** How long connections may take to leave. */
  readonly timeoutMs: number
  /** Tells the user what the agent waits for. */
  readonly say: (text: string) => void
}

/** When the user is told about a wait. */
const FIRST_MS = 1_000
const AGAIN_MS = 10_000

/** A pod that the agent keeps on TCP until this is disposed of, or until this process ends in any way. */
export class HeldPod implements AsyncDisposable {
  readonly place: HeldPodView
  /** Aborts with an error as the reason once the agent no longer holds the pod. */
  readonly lost: AbortSignal
  readonly #client: ControlClient
  readonly #pod: string
  readonly #stop: AbortController
  readonly #followed: Promise<void>

  private constructor(
    client: ControlClient,
    pod: string,
    { place, events, stop }: Taken & { readonly stop: AbortController },
  ) {
    this.place = place
    this.#client = client
    this.#pod = pod
    this.#stop = stop
    const lost = new AbortController()
    this.lost = lost.signal
    const end = (reason: unknown): void => {
      if (!stop.signal.aborted) lost.abort(reason)
    }
    this.#followed = events
      .next()
      .then(() => end(agentEnded(pod)))
      .catch((error: unknown) => end(inItsWords(pod, error)))
  }

  /**
   * Resolves once no byte of the pod skips its network. Undefined if the user ends the command before. Throws
   * HOLD_TIMEOUT, AGENT_ENDED and the errors of the agent.
   */
  static async take(client: ControlClient, options: HoldOptions): Promise<HeldPod | undefined> {
    const { pod, end, timeoutMs } = options
    const stop = new AbortController()
    const give = (): void => stop.abort()
    end.addEventListener('abort', give)
    if (end.aborted) give()
    const timer = setTimeout(give, timeoutMs)
    const wait = new Wait(options)
    try {
      const taken = await take(client.hold({ pod }, stop.signal), wait)
      if (taken) return new HeldPod(client, pod, { ...taken, stop })
    } catch (error) {
      throw inItsWords(pod, error)
    } finally {
      clearTimeout(timer)
      end.removeEventListener('abort', give)
    }
    await untilGivenBack(client, pod)
    if (end.aborted) return undefined
    if (stop.signal.aborted) throw wait.error()
    throw agentEnded(pod)
  }

  /** Gives the pod back. Resolves to whether it is as before; if not, another command still holds it. */
  async giveBack(): Promise<boolean> {
    this.#stop.abort()
    await this.#followed
    return untilGivenBack(this.#client, this.#pod)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.giveBack()
  }
}

/** The agent puts everything back once it notices that the stream has ended. */
async function untilGivenBack(client: ControlClient, pod: string): Promise<boolean> {
  for (let looks = 0; looks < 20; looks += 1) {
    const status = await client.call('Status', {}).catch(() => undefined)
    if (!status?.heldPods.includes(pod)) return true
    await pause(100)
  }
  return false
}

interface Taken {
  readonly place: HeldPodView
  readonly events: AsyncGenerator<HoldEventView>
}

async function take(events: AsyncGenerator<HoldEventView>, wait: Wait): Promise<Taken | undefined> {
  for (;;) {
    const { value, done } = await events.next()
    if (done) return undefined
    const { held, waiting } = value
    if (held) return { place: held, events }
    if (waiting) wait.goesOn(waiting)
  }
}

/** The wait for connections to leave. */
class Wait {
  readonly #options: HoldOptions
  readonly #began = performance.now()
  #sayAtMs = FIRST_MS
  #last: HoldWaitingView | undefined

  constructor(options: HoldOptions) {
    this.#options = options
  }

  goesOn(waiting: HoldWaitingView): void {
    this.#last = waiting
    const ms = performance.now() - this.#began
    if (ms < this.#sayAtMs) return
    this.#sayAtMs = ms + AGAIN_MS
    this.#options.say(`${Math.round(ms / 1000)} s: ${describe(waiting)}`)
  }

  error(): MeshaccelError {
    const { pod, timeoutMs } = this.#options
    const last = this.#last ?? { connections: 0, readers: '' }
    return new MeshaccelError(`not within ${formatDuration(timeoutMs)}: ${describe(last)}`, {
      code: 'HOLD_TIMEOUT',
      operation: `hold ${pod} on TCP`,
      hint: 'Have these readers read, or end them. --timeout waits longer. The pod is as before.',
      retryable: true,
    })
  }
}

function describe({ connections, readers }: HoldWaitingView): string {
  if (connections === 0) return 'waiting for the agent to apply the change'
  const are = connections === 1 ? 'connection is' : 'connections are'
  return `${connections} ${are} leaving the fast path${readers === '' ? '' : `; ${readers}`}`
}

function inItsWords(pod: string, error: unknown): unknown {
  return isExplained(error) && error.code !== 'AGENT_FAILED' ? error : agentEnded(pod, error)
}

function agentEnded(pod: string, cause?: unknown): MeshaccelError {
  return new MeshaccelError('the agent has ended', {
    code: 'AGENT_ENDED',
    operation: `hold ${pod} on TCP`,
    hint: 'An agent that starts puts the pod back as its annotations say.',
    cause,
  })
}
