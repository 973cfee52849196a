import type { Test } from 'tap'

/**
 * For tests that need root. Without it they fail, so that nobody takes a run without them for a full one;
 * MESHACCEL_ALLOW_SKIP=1 turns that into a skip. Returns whether the test may go on.
 */
export function requireRoot(t: Test): boolean {
  if (process.getuid?.() === 0) return true
  return unmet(t, 'needs root: BPF programs are loaded into the running kernel')
}

/** Fails or skips the test with the reason; false, to be returned. */
export function unmet(t: Test, reason: string): false {
  if (process.env['MESHACCEL_ALLOW_SKIP'] === '1') t.plan(0, reason)
  else t.fail(`${reason} (MESHACCEL_ALLOW_SKIP=1 skips such tests)`)
  return false
}
