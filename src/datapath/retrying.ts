/**
 * The data path for a kernel that the self-test could not judge, because the machine was too busy or lacked something.
 * It refuses at first, and retries after growing pauses until there is a result.
 */
import { BackOff } from '../lib/back-off.ts'
import { messageOf } from '../lib/errno.ts'
import type { Log } from '../lib/log.ts'
import type {
  Datapath,
  DatapathEvent,
  DrainOptions,
  Flow,
  Measurement,
  MeasureSettings,
  PodNetns,
  Policy,
  Quarantined,
  Survey,
  TrialCounts,
  UnwatchedSocket,
} from './datapath.ts'

const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 300_000

export interface RetryingOptions {
  /** The data path to use until there is a result. */
  readonly refused: Datapath
  /** Retries. Resolves to undefined if there is still no result. The signal ends it early. */
  readonly open: (signal: AbortSignal) => Promise<Datapath | undefined>
  readonly log: Log
  readonly firstPauseMs?: number
}

export class RetryingDatapath implements Datapath {
  readonly #options: RetryingOptions
  readonly #end = new AbortController()
  readonly #ears = new Set<(event: DatapathEvent) => void>()
  #settings: MeasureSettings | undefined
  #now: Datapath
  readonly #backOff: BackOff
  #timer: NodeJS.Timeout

  constructor(options: RetryingOptions) {
    this.#options = options
    this.#now = options.refused
    this.#backOff = new BackOff({
      firstMs: options.firstPauseMs ?? FIRST_PAUSE_MS,
      longestMs: LONGEST_PAUSE_MS,
    })
    this.#timer = this.#plan()
  }

  get policy(): Policy {
    return this.#now.policy
  }

  get refusedBecause(): string | undefined {
    return this.#now.refusedBecause
  }

  get selfTest(): Datapath['selfTest'] {
    return this.#now.selfTest
  }

  get redirecting(): boolean {
    return this.#now.redirecting
  }

  enrolled(): ReadonlySet<bigint> {
    return this.#now.enrolled()
  }

  enrol(pod: PodNetns): void {
    this.#now.enrol(pod)
  }

  withdraw(netnsCookie: bigint): void {
    this.#now.withdraw(netnsCookie)
  }

  drain(options: DrainOptions): Promise<void> {
    return this.#now.drain(options)
  }

  resume(): void {
    this.#now.resume()
  }

  survey(): Promise<Survey> {
    return this.#now.survey()
  }

  flows(): AsyncIterable<readonly Flow[]> {
    return this.#now.flows()
  }

  unwatched(netnsCookie: bigint): Promise<UnwatchedSocket[] | undefined> {
    return this.#now.unwatched(netnsCookie)
  }

  quarantined(): Quarantined[] {
    return this.#now.quarantined()
  }

  forgive(which: (program: Quarantined) => boolean): number {
    return this.#now.forgive(which)
  }

  measure(settings: MeasureSettings): void {
    this.#now.measure(settings)
    this.#settings = settings
  }

  label(netnsCookie: bigint, label: string): void {
    this.#now.label(netnsCookie, label)
  }

  measured(): Measurement[] {
    return this.#now.measured()
  }

  trial(): TrialCounts[] {
    return this.#now.trial()
  }

  untold(): bigint {
    return this.#now.untold()
  }

  listen(listener: (event: DatapathEvent) => void): Disposable {
    this.#ears.add(listener)
    return { [Symbol.dispose]: () => void this.#ears.delete(listener) }
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#end.abort()
    await this.#now.close()
  }

  #plan(): NodeJS.Timeout {
    const { refused, log } = this.#options
    const pauseMs = this.#backOff.next()
    log.warn(
      { reason: refused.refusedBecause, againInS: pauseMs / 1000 },
      'refused for now: the self-test will run again',
    )
    return setTimeout(() => void this.#tryAgain(), pauseMs)
  }

  async #tryAgain(): Promise<void> {
    const { open, log } = this.#options
    const { signal } = this.#end
    const opened = await open(signal).catch((error: unknown) => {
      if (!signal.aborted) log.error({ err: messageOf(error) }, 'cannot open the data path')
      return undefined
    })
    if (signal.aborted) return opened?.close()
    if (opened) return this.#change(opened)
    this.#timer = this.#plan()
  }

  /** The new data path is empty; the next run of the reconciler fills it. */
  #change(opened: Datapath): void {
    this.#now = opened
    opened.listen((event) => {
      for (const hear of this.#ears) hear(event)
    })
    const { log } = this.#options
    log.info({ policy: opened.policy, reason: opened.refusedBecause }, 'judged at last')
    if (this.#settings === undefined) return
    try {
      opened.measure(this.#settings)
    } catch (error) {
      log.error({ err: messageOf(error) }, 'nothing is measured')
    }
  }
}
