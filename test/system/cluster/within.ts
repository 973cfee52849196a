import type { Test } from 'tap'
import { patience } from '../../helpers/retry.ts'

/** Reports how long an operation took, and asserts the promised time. */
export function within(t: Test, what: string, ms: number, promisedMs: number): void {
  t.comment(`${what}: ${Math.max(0, Math.round(ms))} ms`)
  t.ok(ms < promisedMs * patience, `${what} within ${promisedMs * patience} ms`)
}
