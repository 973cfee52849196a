import type { TrialCounts } from '../datapath.ts'
import { histogramValues } from '../generated-names.ts'
import type { TrialKeyRecord, TrialSumsRecord } from './generated.ts'

const firstBits = histogramValues['time-first-bits']
const steps = 2 ** histogramValues['trial-step-bits']

/** The upper bounds of all buckets except the last, which has none. */
const bounds: readonly number[] = Array.from(
  { length: histogramValues['trial-buckets'] - 1 },
  (_, index) => {
    const power = 2 ** (firstBits + Math.floor(index / steps))
    return (power * (1 + ((index % steps) + 1) / steps)) / 1e9
  },
)

/** The keys of a pod: for its programs, and for its sidecar. */
export const trialKeys = (netnsCookie: bigint): TrialKeyRecord[] =>
  [0, 1].map((isProxy) => ({ netnsCookie, isProxy }))

export function trialCounts(
  { netnsCookie, isProxy }: TrialKeyRecord,
  { sentBytes: [tcpBytes = 0n, redirectedBytes = 0n], requests }: TrialSumsRecord,
): TrialCounts {
  const counts = requests.map(Number)
  const count = counts.reduce((total, one) => total + one, 0)
  return {
    netnsCookie,
    isProxy: isProxy !== 0,
    redirectedBytes,
    tcpBytes,
    requestSeconds: { bounds, counts, count },
  }
}
