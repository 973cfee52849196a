import { consequences } from '../../datapath/selftest/policy.ts'
import { probeWords } from '../../datapath/selftest/words.ts'

/** `ok`; `strict`, `proxies-only`, `refused`: the policy that follows at best; `note`: told for information. */
export type Verdict = 'ok' | 'note' | 'strict' | 'proxies-only' | 'refused'

/** What follows from a probe's answer. */
export function verdictOn(probe: string, ok: boolean): Verdict {
  if (ok) return 'ok'
  const consequence = consequences.find(([name]) => name === probe)?.[1] ?? 'none'
  return consequence === 'none' ? 'note' : consequence
}

/** What a probe's answer means. */
export function wordsOfProbe(probe: string, ok: boolean): { means: string; hint?: string } {
  const words = Object.entries(probeWords).find(([name]) => name === probe)?.[1]
  if (!words) return { means: ok ? 'passed' : 'failed' }
  if (ok) return { means: words.ok }
  return { means: words.failed, ...(words.hint === undefined ? {} : { hint: words.hint }) }
}
