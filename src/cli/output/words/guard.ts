import type { GuardedView } from '../../../api/views.ts'

/** The guard's findings about some pods, in half a sentence. */
export function wordsOfGuard(guarded: GuardedView): string {
  const { namespace, limitPercent, pairs, p99Ratio, p99AtLeast, heldSince } = guarded
  const limit = `limit ${(1 + limitPercent / 100).toFixed(2)}`
  if (p99Ratio === undefined) return `namespace ${namespace} has no pair of windows yet, ${limit}`
  const bound = p99AtLeast === undefined ? '' : `, at least ${p99AtLeast.toFixed(2)}`
  const ratio = `p99 is ${p99Ratio.toFixed(2)} times that of TCP${bound}, ${limit}`
  return heldSince === undefined
    ? `namespace ${namespace}: ${ratio}, ${pairs} pairs of windows`
    : `namespace ${namespace} is on TCP since ${heldSince}: with acceleration ${ratio}`
}
