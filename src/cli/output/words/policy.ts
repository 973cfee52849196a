const ofPolicies: Readonly<Record<string, string>> = {
  full: 'every proven reader is accelerated',
  strict: 'every proven reader is accelerated; a connection that falls back to TCP leaves at once',
  'proxies-only': 'only bytes that sidecars read are accelerated',
  refused: 'nothing is accelerated; all traffic takes the normal stack',
}

/** Half a sentence about what a policy allows. */
export const wordsOfPolicy = (policy: string): string => ofPolicies[policy] ?? policy
