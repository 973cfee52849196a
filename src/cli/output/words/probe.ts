import { consequenceOf } from '../../../datapath/selftest/policy.ts'
import { probeWords } from '../../../datapath/selftest/words.ts'

/** `ok`: passed. `strict`, `proxies-only`, `refused`: the best policy after this failure. `note`: informational. */
export type Verdict = 'ok' | 'note' | 'strict' | 'proxies-only' | 'refused'

/** The consequence of a probe's answer. `watched`: isWatched(). */
export function verdictOn(probe: string, ok: boolean, watched: boolean): Verdict {
  if (ok) return 'ok'
  const consequence = consequenceOf(probe, watched)
  return consequence === 'none' ? 'note' : consequence
}

/** The meaning of a probe's answer. */
export function wordsOfProbe(probe: string, ok: boolean): { means: string; hint?: string } {
  const words = Object.entries(probeWords).find(([name]) => name === probe)?.[1]
  if (!words) return { means: ok ? 'passed' : 'failed' }
  if (ok) return { means: words.ok }
  return { means: words.failed, ...(words.hint === undefined ? {} : { hint: words.hint }) }
}
