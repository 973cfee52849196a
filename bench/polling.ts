import { setTimeout as delay } from 'node:timers/promises'
import { MeshaccelError } from '../src/errors.ts'

export interface PollOptions {
  /** What is waited for: `wait for port 15001`. */
  readonly operation: string
  readonly signal: AbortSignal
  readonly timeoutMs?: number
  readonly everyMs?: number
  /** What to say when the time is over. */
  readonly reason?: () => string
}

/** Asks until the answer is defined, within a bounded time. */
export async function pollUntil<T>(
  ask: () => T | undefined | Promise<T | undefined>,
  options: PollOptions,
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 30_000
  const end = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    options.signal.throwIfAborted()
    if (performance.now() > end) {
      throw new MeshaccelError(options.reason?.() ?? `not within ${timeoutMs / 1000} s`, {
        code: 'TIMEOUT',
        operation: options.operation,
      })
    }
    await delay(options.everyMs ?? 10, undefined, { signal: options.signal })
  }
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
