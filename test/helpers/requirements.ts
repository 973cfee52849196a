import type { Test } from 'tap'

/**
 * For tests that need root. Without root they fail, so that a partial run does not pass for a full one.
 * MESHACCEL_ALLOW_SKIP=1 skips them instead. Returns whether the test may continue.
 */
export function requireRoot(t: Test): boolean {
  if (process.getuid?.() === 0) return true
  return unmet(t, 'needs root: BPF programs are loaded into the running kernel')
}

/** Fails or skips the test with the reason. Returns false for the caller to return. */
export function unmet(t: Test, reason: string): false {
  if (process.env['MESHACCEL_ALLOW_SKIP'] === '1') t.plan(0, reason)
  else t.fail(`${reason} (MESHACCEL_ALLOW_SKIP=1 skips such tests)`)
  return false
}
