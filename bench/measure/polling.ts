import { setTimeout as delay } from 'node:timers/promises'
import { MeshaccelError } from '../../src/lib/errors.ts'

/** The caller of a wait. */
export interface Waiting {
  /** Aborts the wait. */
  readonly signal: AbortSignal
  /** Reports progress to the user. */
  readonly say: (text: string) => void
}

/** The time after which a wait reports what it waits for, and the time between reports. */
const QUIET_MS = 3_000
const AGAIN_MS = 10_000

export interface PollOptions {
  /** The operation: `wait for port 15001`. */
  readonly operation: string
  readonly waiting: Waiting
  readonly timeoutMs?: number
  readonly everyMs?: number
  /** The time before the first report. */
  readonly quietMs?: number
  /** The current state, for reports and for the timeout error. */
  readonly reason?: () => string
}

/** Polls until the answer is defined, for a bounded time. */
export async function pollUntil<T>(
  ask: () => T | undefined | Promise<T | undefined>,
  options: PollOptions,
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 30_000
  const { signal, say } = options.waiting
  const begin = performance.now()
  const end = begin + timeoutMs
  let sayAt = begin + (options.quietMs ?? QUIET_MS)
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    signal.throwIfAborted()
    const now = performance.now()
    if (now > end) {
      throw new MeshaccelError(options.reason?.() ?? `not within ${timeoutMs / 1000} s`, {
        code: 'TIMEOUT',
        operation: options.operation,
      })
    }
    if (now >= sayAt) {
      sayAt = now + AGAIN_MS
      say(stillWaiting(options.operation, now - begin, timeoutMs, options.reason?.()))
    }
    await delay(options.everyMs ?? 10, undefined, { signal })
  }
}

/** A progress line: `wait for nginx on port 8080: 3 s of 30 s so far: it loads its modules`. */
export function stillWaiting(
  operation: string,
  waitedMs: number,
  timeoutMs: number,
  state = '',
): string {
  const lastLine = state.trim().split('\n').at(-1) ?? ''
  const seconds = `${Math.round(waitedMs / 1000)} s of ${Math.round(timeoutMs / 1000)} s so far`
  return `${operation}: ${seconds}${lastLine === '' ? '' : `: ${lastLine}`}`
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

/**
 * Blocks the thread until the answer is true, for at most `timeoutMs`. Undo steps need it, because they must be
 * synchronous.
 */
export function blockUntil(ask: () => boolean, timeoutMs: number): boolean {
  const end = performance.now() + timeoutMs
  while (!ask()) {
    if (performance.now() > end) return false
    Atomics.wait(sleeper, 0, 0, 5)
  }
  return true
}
