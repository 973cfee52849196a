import { Progress, spokenTime } from '../../lib/progress.ts'
import type { CliEnvironment } from '../environment.ts'

const FIRST_MS = 3_000
const AGAIN_MS = 10_000
const LOOK_MS = 500

export interface WaitOptions {
  /** The time before the first plain line, and between further ones. */
  readonly firstMs?: number
  readonly againMs?: number
  /** The time between looks at the state, on a terminal. */
  readonly lookMs?: number
  /** The time after which the wait is over at the latest. */
  readonly timeoutMs?: number
  /** The state now: `12 connections left`. A failure shows no state. */
  readonly state?: () => Promise<string>
}

/**
 * Waits for a promise. Meanwhile it tells on the standard error output what it waits for: in a line that is redrawn on a
 * terminal, elsewhere in a plain line now and then.
 */
export async function whileWaiting<T>(
  environment: Pick<CliEnvironment, 'stderr'>,
  what: string,
  promise: Promise<T>,
  options: WaitOptions = {},
): Promise<T> {
  const { firstMs = FIRST_MS, againMs = AGAIN_MS, lookMs = LOOK_MS } = options
  using progress = new Progress(environment.stderr)
  const begin = performance.now()
  let isOver = false
  let timer: NodeJS.Timeout | undefined
  const later = (afterMs: number): void => {
    if (!isOver) timer = setTimeout(() => void tell(), afterMs)
  }
  const tell = async (): Promise<void> => {
    const waitedMs = performance.now() - begin
    const state = await options.state?.().catch(() => undefined)
    if (isOver) return
    const { timeoutMs } = options
    const text = `waiting ${what}${state === undefined ? '' : `: ${state}`}`
    progress.show(() => ({
      what: text,
      ...(timeoutMs === undefined ? {} : { leftMs: timeoutMs - waitedMs, atMost: true }),
    }))
    progress.done(`${text}, ${spokenTime(waitedMs)} so far`)
    later(progress.isTerminal ? lookMs : againMs)
  }
  later(progress.isTerminal ? lookMs : firstMs)
  try {
    return await promise
  } finally {
    isOver = true
    clearTimeout(timer)
  }
}
