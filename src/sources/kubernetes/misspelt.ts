import { editDistance, nearest } from '../../lib/edit-distance.ts'
import { blockingReaders, type BlockingReaders } from '../../pods/observed-pod.ts'

const domain = 'meshaccel.io'

/** The names of our annotations below `meshaccel.io/`. */
const known = [
  'enabled',
  'blocking-readers',
  'exclude-ports',
  'exclude-cidrs',
  'exclude-uids',
] as const
type Known = (typeof known)[number]

export interface Misspelt {
  /** Sentences for the user. */
  readonly problems: readonly string[]
  /** A misspelt key probably excludes traffic, and it is unknown which. */
  readonly excludes: boolean
  /** A misspelt key is probably one of our annotations. */
  readonly isUnknown: boolean
}

/**
 * Finds annotations that look like misspelt ones of ours, and our annotations among the labels. `whose` is the subject
 * of the messages. Pure.
 */
export function misspelt(
  annotations: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
  whose: 'the pod is' | 'its pods are' = 'the pod is',
): Misspelt {
  const unknown = found(annotations, meantKey)
  const asLabels = found(labels, (key) => ours(key) ?? meantKey(key))
  return {
    problems: [
      ...unknown.map(
        ({ key, meant }) =>
          `the annotation ${shown(key)} is unknown: ${whose} not accelerated; did you mean ${domain}/${meant}?`,
      ),
      ...asLabels.map(({ key, meant }) => {
        const so = excludes(meant) ? `: ${whose} not accelerated` : ', which is ignored'
        return `${shown(key)} is a label${so}; did you mean the annotation ${domain}/${meant}?`
      }),
    ],
    excludes: [...unknown, ...asLabels].some(({ meant }) => excludes(meant)),
    isUnknown: unknown.length > 0,
  }
}

const excludes = (key: Known): boolean => key.startsWith('exclude-')

function found(
  keys: Readonly<Record<string, string>>,
  meaning: (key: string) => Known | undefined,
): { readonly key: string; readonly meant: Known }[] {
  return Object.keys(keys).flatMap((key) => {
    const meant = meaning(key)
    return meant === undefined ? [] : [{ key, meant }]
  })
}

function ours(key: string): Known | undefined {
  return known.find((each) => key === `${domain}/${each}`)
}

/** Earlier guesses by key: all pods have the same few keys, in each of their events. */
const guesses = new Map<string, Known | undefined>()
const maxGuesses = 1_000

/** The annotation of ours that the user probably meant. */
function meantKey(key: string): Known | undefined {
  if (guesses.has(key)) return guesses.get(key)
  if (guesses.size === maxGuesses) guesses.clear()
  const guess = guessKey(key)
  guesses.set(key, guess)
  return guess
}

/** Whole words that users use for our settings. The first match in a key wins. */
const words: readonly (readonly [RegExp, Known])[] = [
  [/^ports?$/, 'exclude-ports'],
  [
    /^(cidrs?|ips?|ipv[46]|ipranges?|ranges?|subnets?|networks?|addr(ess(es)?)?|hosts?)$/,
    'exclude-cidrs',
  ],
  [/^(uids?|gids?|users?|runasuser)$/, 'exclude-uids'],
  [/^block(ing|ed|ers?)?$|^readers?$/, 'blocking-readers'],
  [/^(enabled?|disabled?)$/, 'enabled'],
]

/** Parts of words, used only if nothing else matches. */
const stems: readonly (readonly [RegExp, Known])[] = [
  [/cidr|subnet/, 'exclude-cidrs'],
  [/uid/, 'exclude-uids'],
  [/port|exclu|skip|ignore|bypass/, 'exclude-ports'],
  [/block|reader/, 'blocking-readers'],
]

function guessKey(key: string): Known | undefined {
  if (ours(key) !== undefined) return undefined
  const lower = key.toLowerCase()
  const near = nearest(
    lower,
    known.map((each) => `${domain}/${each}` as const),
  )
  const [prefix = '', name] = lower.includes('/') ? lower.split('/', 2) : [lower, lower]
  const isOurs = prefix.includes('meshaccel') || editDistance(prefix, domain) <= 2
  if (!isOurs && near === undefined && !lower.includes('meshaccel')) return undefined
  const byWord = wordsOf(key).flatMap((word) => words.find(([is]) => is.test(word))?.[1] ?? [])[0]
  const byStem = stems.find(([is]) => is.test(name ?? lower))?.[1]
  const meant = byWord ?? known.find((each) => near?.endsWith(`/${each}`)) ?? byStem
  // An annotation of another project may mention us.
  return meant ?? (isOurs ? 'enabled' : undefined)
}

/** Splits a key: `excludeInboundPorts` and `exclude-inbound-ports` have three words each. */
function wordsOf(key: string): string[] {
  return key
    .slice(key.indexOf('/') + 1)
    .replaceAll(/([a-z])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
}

/** The word that the user probably meant by a value other than "true" and "false". */
export function meantValue(text: string): 'true' | 'false' | undefined {
  const word = text.trim().toLowerCase()
  if (['true', 'yes', 'y', 'on', '1', 'enable', 'enabled'].includes(word)) return 'true'
  if (['false', 'no', 'n', 'off', '0', 'disable', 'disabled'].includes(word)) return 'false'
  return nearest(word, ['true', 'false'] as const)
}

/** The word that the user probably meant by a value other than "accelerate" and "leave". */
export function meantChoice(text: string): BlockingReaders | undefined {
  const word = text.trim().toLowerCase()
  if (meantValue(word) === 'true') return 'accelerate'
  if (meantValue(word) === 'false') return 'leave'
  return nearest(word, blockingReaders)
}

/** Shortens a key for messages. Kubernetes already limits its characters. */
function shown(key: string): string {
  return key.length > 100 ? `${key.slice(0, 100)}…` : key
}
