/** The progress of a trial. */

import type { TrialRequest, TrialWindowView } from '../../api/views.ts'
import { formatDuration } from '../../lib/duration.ts'
import type { Step } from '../../lib/progress.ts'
import { outcomeOf } from './outcome.ts'

type Plan = Pick<TrialRequest, 'namespace' | 'pairs' | 'windowMs'>

/** A window that has ended: `window 3 of 12, by TCP: 4242 requests; 3m left`. `count` windows have ended with it. */
export function describeWindow(
  { on, programs, proxies }: TrialWindowView,
  count: number,
  { pairs, windowMs }: Plan,
): string {
  const leftMs = (2 * pairs - count) * windowMs
  return (
    `window ${count} of ${2 * pairs}, ${on ? 'accelerated' : 'by TCP'}: ${programs.count + proxies.count} requests; ` +
    `${formatDuration(Math.ceil(leftMs / 1000) * 1000)} left`
  )
}

/** The window that runs now, after those that have ended. There are no ratios before the sixth pair. */
export function progressOf(windows: readonly TrialWindowView[], plan: Plan): Step {
  const total = 2 * plan.pairs
  const { p50, cpu } = outcomeOf(plan.namespace, windows, plan.windowMs).ratios
  const last = windows.at(-1)
  const requests = last && `${last.programs.count + last.proxies.count} requests in the last window`
  const ratios = [
    p50 && `p50 ${p50.median.toFixed(2)} (${p50.low.toFixed(2)}-${p50.high.toFixed(2)})`,
    cpu && `CPU ${cpu.median.toFixed(2)} (${cpu.low.toFixed(2)}-${cpu.high.toFixed(2)})`,
  ].filter((text) => text !== undefined)
  const figures = ratios.length > 0 ? `${ratios.join(', ')} of that by TCP` : requests
  return {
    what: `window ${windows.length + 1} of ${total}`,
    share: windows.length / total,
    leftMs: (total - windows.length) * plan.windowMs,
    ...(figures === undefined ? {} : { figures }),
  }
}
