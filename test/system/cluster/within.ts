import type { Test } from 'tap'
import { patience } from '../../helpers/retry.ts'

/** Tells how long something took, and asserts that it is what users are promised. */
export function within(t: Test, what: string, ms: number, promisedMs: number): void {
  t.comment(`${what}: ${Math.max(0, Math.round(ms))} ms`)
  t.ok(ms < promisedMs * patience, `${what} within ${promisedMs * patience} ms`)
}
