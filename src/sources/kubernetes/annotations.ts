import { annotationKey } from '../../pods/annotation-keys.ts'
import {
  cidrRule,
  maxRules,
  nonEmpty,
  portRule,
  uidRule,
  type Exclusions,
  type RuleKind,
} from '../../pods/exclusions.ts'
import { guardForm, parseGuard } from '../../lib/guard-limit.ts'
import { blockingReaders, type BlockingReaders } from '../../pods/observed-pod.ts'
import { meantChoice, meantValue } from './misspelt.ts'

const enabledKey = annotationKey('enabled')
const blockingReadersKey = annotationKey('blocking-readers')
const guardKey = annotationKey('guard')
export const excludeKeys: Readonly<Record<keyof Exclusions, string>> = {
  ports: annotationKey('exclude-ports'),
  cidrs: annotationKey('exclude-cidrs'),
  uids: annotationKey('exclude-uids'),
}

export type Annotations = Readonly<Record<string, string>>

/** The subject of sentences about the annotations of a pod or of a namespace. */
export type Whose = 'the pod is' | 'its pods are'

/** A value, or a sentence for the user about what is wrong with its text. Neither if the annotation is absent. */
interface Reading<Value> {
  readonly value?: Value
  readonly problem?: string
}

/** Reads `meshaccel.io/enabled`. A text other than "true" and "false" counts as absent. Pure. */
export function readEnabled(annotations: Annotations): Reading<boolean> {
  const { value, problem } = readWord(annotations, enabledKey, ['true', 'false'], meantValue)
  if (problem !== undefined) return { problem }
  return value === undefined ? {} : { value: value === 'true' }
}

/** Reads `meshaccel.io/blocking-readers`. A text other than the two words counts as absent. Pure. */
export function readBlockingReaders(annotations: Annotations): Reading<BlockingReaders> {
  return readWord(annotations, blockingReadersKey, blockingReaders, meantChoice)
}

/** Reads `meshaccel.io/guard`. A text that is not a limit counts as absent. Pure. */
export function readGuard(annotations: Annotations): Reading<number> {
  const text = annotations[guardKey]
  if (text === undefined) return {}
  const value = parseGuard(text)
  if (value !== undefined) return { value }
  return { problem: `${guardKey} must be ${guardForm}, not ${quote(text)}: it is ignored` }
}

/** Reads an annotation with one of two words. */
function readWord<Word extends string>(
  annotations: Annotations,
  key: string,
  words: readonly [Word, Word],
  meant: (text: string) => Word | undefined,
): Reading<Word> {
  const text = annotations[key]
  if (text === undefined) return {}
  const value = words.find((word) => word === text)
  if (value !== undefined) return { value }
  const guess = meant(text)
  return {
    problem:
      `${key} must be "${words[0]}" or "${words[1]}", not ${quote(text)}: it is ignored` +
      (guess === undefined ? '' : `; did you mean "${guess}"?`),
  }
}

/**
 * Reads the `meshaccel.io/exclude-*` annotations of a pod or a namespace. If one is unreadable, the result is `invalid`
 * and the pod is not enrolled: its user wanted some traffic to stay on TCP. `whose` is the subject of the messages.
 * Pure.
 */
export function readExclusions(
  annotations: Annotations,
  whose: Whose = 'the pod is',
): {
  readonly value?: Exclusions | 'invalid'
  readonly problems: readonly string[]
} {
  const ports = readList(annotations, excludeKeys.ports, portRule, whose)
  const cidrs = readList(annotations, excludeKeys.cidrs, cidrRule, whose)
  const uids = readList(annotations, excludeKeys.uids, uidRule, whose)
  const problems = [ports, cidrs, uids].flatMap(({ problem }) => problem ?? [])
  if (problems.length > 0) return { value: 'invalid', problems }
  const value = nonEmpty({
    ports: ports.value ?? [],
    cidrs: cidrs.value ?? [],
    uids: uids.value ?? [],
  })
  return value === undefined ? { problems } : { value, problems }
}

/** Reads a comma-separated list. Blanks around an entry and an empty list are fine. */
function readList<Rule>(
  annotations: Annotations,
  key: string,
  { what, parse }: RuleKind<Rule>,
  whose: Whose,
): Reading<readonly Rule[]> {
  const bad = (why: string): Reading<never> => ({
    problem: `${key}: ${why}: ${whose} not accelerated`,
  })
  const text = annotations[key]?.trim()
  if (!text) return {}
  const rules: Rule[] = []
  for (const entry of text.split(',').map((part) => part.trim())) {
    const rule = parse(entry)
    if (rule === undefined) return bad(`${quote(entry)} is not ${what}`)
    if (rules.length === maxRules) return bad(`there are more than ${maxRules}`)
    rules.push(rule)
  }
  return { value: rules }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
