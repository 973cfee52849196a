const ofPolicies: Readonly<Record<string, string>> = {
  full: 'every reader that proves itself is accelerated',
  strict:
    'every reader that proves itself is accelerated; a connection that falls back to TCP leaves at once',
  'proxies-only': 'only what sidecars read is accelerated',
  refused: 'nothing is accelerated; all traffic takes the normal stack',
}

/** Half a sentence about what a policy allows. */
export const wordsOfPolicy = (policy: string): string => ofPolicies[policy] ?? policy
