import type { Test } from 'tap'

/** Fails a test that does not run as root: it loads programs into the running kernel. Returns whether it may go on. */
export function requireRoot(t: Test): boolean {
  if (process.getuid?.() === 0) return true
  t.fail('needs root: BPF programs are loaded into the running kernel')
  return false
}
