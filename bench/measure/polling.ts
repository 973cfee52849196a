import { setTimeout as delay } from 'node:timers/promises'
import { MeshaccelError } from '../../src/lib/errors.ts'

/** Somebody who waits. */
export interface Waiting {
  /** Aborted when the wait is to end early. */
  readonly signal: AbortSignal
  /** Tells a person what is going on. */
  readonly say: (text: string) => void
}

/** When a wait begins to say what it waits for, and how often it says so again. */
const QUIET_MS = 3_000
const AGAIN_MS = 10_000

export interface PollOptions {
  /** What is waited for: `wait for port 15001`. */
  readonly operation: string
  readonly waiting: Waiting
  readonly timeoutMs?: number
  readonly everyMs?: number
  /** How long it waits before it says so. */
  readonly quietMs?: number
  /** How it stands, for messages while it waits, and for the error when the time is over. */
  readonly reason?: () => string
}

/** Asks until the answer is defined, within a bounded time. */
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

/** A line for the one who waits: `wait for nginx on port 8080: 3 s of 30 s so far: it loads its modules`. */
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

/** Blocks the thread until the answer is true, at most `timeoutMs`: for undoing, which cannot wait asynchronously. */
export function blockUntil(ask: () => boolean, timeoutMs: number): boolean {
  const end = performance.now() + timeoutMs
  while (!ask()) {
    if (performance.now() > end) return false
    Atomics.wait(sleeper, 0, 0, 5)
  }
  return true
}
