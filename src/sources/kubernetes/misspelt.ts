import { BoundedMap } from '../../lib/bounded-map.ts'
import { editDistance, nearest } from '../../lib/edit-distance.ts'
import {
  annotationDomain,
  annotationKey,
  annotationNames,
  type AnnotationName,
} from '../../pods/annotation-keys.ts'
import { blockingReaders, type BlockingReaders } from '../../pods/observed-pod.ts'

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
          `the annotation ${shown(key)} is unknown: ${whose} not accelerated; did you mean ${annotationKey(meant)}?`,
      ),
      ...asLabels.map(({ key, meant }) => {
        const so = excludes(meant) ? `: ${whose} not accelerated` : ', which is ignored'
        return `${shown(key)} is a label${so}; did you mean the annotation ${annotationKey(meant)}?`
      }),
    ],
    excludes: [...unknown, ...asLabels].some(({ meant }) => excludes(meant)),
    isUnknown: unknown.length > 0,
  }
}

const excludes = (key: AnnotationName): boolean => key.startsWith('exclude-')

function found(
  keys: Readonly<Record<string, string>>,
  meaning: (key: string) => AnnotationName | undefined,
): { readonly key: string; readonly meant: AnnotationName }[] {
  return Object.keys(keys).flatMap((key) => {
    const meant = meaning(key)
    return meant === undefined ? [] : [{ key, meant }]
  })
}

function ours(key: string): AnnotationName | undefined {
  return annotationNames.find((each) => key === annotationKey(each))
}

/** The findings for each set of keys. The same few sets are on all pods, and in each of their events. */
const guesses = new BoundedMap<string, AnnotationName | undefined>(1_000)

/** The annotation of ours that the key may have been meant to be. */
function meantKey(key: string): AnnotationName | undefined {
  if (guesses.has(key)) return guesses.get(key)
  const guess = guessKey(key)
  guesses.set(key, guess)
  return guess
}

/** Whole words that users have for our settings; the first that a key contains decides. */
const words: readonly (readonly [RegExp, AnnotationName])[] = [
  [/^ports?$/, 'exclude-ports'],
  [
    /^(cidrs?|ips?|ipv[46]|ipranges?|ranges?|subnets?|networks?|addr(ess(es)?)?|hosts?)$/,
    'exclude-cidrs',
  ],
  [/^(uids?|gids?|users?|runasuser)$/, 'exclude-uids'],
  [/^block(ing|ed|ers?)?$|^readers?$/, 'blocking-readers'],
  [/^guard(s|ed|ian|rails?)?$/, 'guard'],
  [/^(enabled?|disabled?)$/, 'enabled'],
]

/** The same inside of words, where nothing else tells. */
const stems: readonly (readonly [RegExp, AnnotationName])[] = [
  [/cidr|subnet/, 'exclude-cidrs'],
  [/uid/, 'exclude-uids'],
  [/port|exclu|skip|ignore|bypass/, 'exclude-ports'],
  [/block|reader/, 'blocking-readers'],
]

function guessKey(key: string): AnnotationName | undefined {
  if (ours(key) !== undefined) return undefined
  const lower = key.toLowerCase()
  const near = nearest(
    lower,
    annotationNames.map((each) => annotationKey(each)),
  )
  const [prefix = '', name] = lower.includes('/') ? lower.split('/', 2) : [lower, lower]
  const isOurs = prefix.includes('meshaccel') || editDistance(prefix, annotationDomain) <= 2
  if (!isOurs && near === undefined && !lower.includes('meshaccel')) return undefined
  const byWord = wordsOf(key).flatMap((word) => words.find(([is]) => is.test(word))?.[1] ?? [])[0]
  const byStem = stems.find(([is]) => is.test(name ?? lower))?.[1]
  const meant = byWord ?? annotationNames.find((each) => near?.endsWith(`/${each}`)) ?? byStem
  // Somebody else's annotation may well speak about us.
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
