import { nearest } from '../../edit-distance.ts'
import { blockingReaders, type BlockingReaders } from '../../observed-pod.ts'

/** What users may write below `meshaccel.io/`. */
const known = ['enabled', 'blocking-readers', 'exclude-ports', 'exclude-cidrs', 'exclude-uids'].map(
  (name) => `meshaccel.io/${name}`,
)

/** Annotations that look as if one of ours was meant, and ours where labels are: sentences for the user. Pure. */
export function misspelt(
  annotations: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): string[] {
  const keys = Object.keys(annotations).flatMap((key) => {
    const guess = meantKey(key)
    return guess === undefined
      ? []
      : [`the annotation ${shown(key)} is unknown and ignored; did you mean ${guess}?`]
  })
  const asLabels = Object.keys(labels).flatMap((key) => {
    const guess = known.includes(key) ? key : meantKey(key)
    return guess === undefined
      ? []
      : [`${shown(key)} is a label, which is ignored; did you mean the annotation ${guess}?`]
  })
  return [...keys, ...asLabels]
}

/** What was found of keys: the same few are on all pods, and in each event of them. */
const guesses = new Map<string, string | undefined>()
const maxGuesses = 1_000

/** The annotation of ours that the key may have been meant to be. */
function meantKey(key: string): string | undefined {
  if (guesses.has(key)) return guesses.get(key)
  if (guesses.size === maxGuesses) guesses.clear()
  const guess = guessKey(key)
  guesses.set(key, guess)
  return guess
}

function guessKey(key: string): string | undefined {
  if (known.includes(key)) return undefined
  const lower = key.toLowerCase()
  const near = known.find((each) => each === lower) ?? nearest(lower, known)
  if (near !== undefined || !lower.includes('meshaccel')) return near
  return known.find((each) => lower.includes(each.split('-')[1] ?? '-')) ?? known[0]
}

/** What was meant by a value that is neither "true" nor "false". */
export function meantValue(text: string): 'true' | 'false' | undefined {
  const word = text.trim().toLowerCase()
  if (['true', 'yes', 'y', 'on', '1', 'enable', 'enabled'].includes(word)) return 'true'
  if (['false', 'no', 'n', 'off', '0', 'disable', 'disabled'].includes(word)) return 'false'
  return nearest(word, ['true', 'false'] as const)
}

/** What was meant by a value that is neither "accelerate" nor "leave". */
export function meantChoice(text: string): BlockingReaders | undefined {
  const word = text.trim().toLowerCase()
  if (meantValue(word) === 'true') return 'accelerate'
  if (meantValue(word) === 'false') return 'leave'
  return nearest(word, blockingReaders)
}

/** The user chose it: as long as Kubernetes allows names to be, and without anything that is not in them. */
function shown(key: string): string {
  return key.length > 100 ? `${key.slice(0, 100)}…` : key
}
