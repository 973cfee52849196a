import { consequences, fionreadFlaws, type ProbeName } from '../../datapath/selftest/policy.ts'
import { probeWords } from '../../datapath/selftest/words.ts'

/** `ok`: passed. `strict`, `proxies-only`, `refused`: the best policy after this failure. `note`: informational. */
export type Verdict = 'ok' | 'note' | 'strict' | 'proxies-only' | 'refused'

/** The consequence of a probe's answer. `seesAskers` is the answer of the probe `fionread-watch`. */
export function verdictOn(probe: string, ok: boolean, seesAskers = false): Verdict {
  if (ok) return 'ok'
  const [name, consequence] = consequences.find((each) => each[0] === probe) ?? noConsequence
  const isExcused = seesAskers && name !== undefined && fionreadFlaws.includes(name)
  return consequence === 'none' || isExcused ? 'note' : consequence
}

const noConsequence: readonly [ProbeName | undefined, 'none'] = [undefined, 'none']

/** The meaning of a probe's answer. */
export function wordsOfProbe(probe: string, ok: boolean): { means: string; hint?: string } {
  const words = Object.entries(probeWords).find(([name]) => name === probe)?.[1]
  if (!words) return { means: ok ? 'passed' : 'failed' }
  if (ok) return { means: words.ok }
  return { means: words.failed, ...(words.hint === undefined ? {} : { hint: words.hint }) }
}
