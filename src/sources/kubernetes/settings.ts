import { maxRules, union, type Exclusions } from '../../pods/exclusions.ts'
import type { ObservedPod } from '../../pods/observed-pod.ts'
import {
  excludeKeys,
  readBlockingReaders,
  readEnabled,
  readExclusions,
  readGuard,
  type Annotations,
  type Whose,
} from './annotations.ts'
import { misspelt } from './misspelt.ts'

/** A user's settings for a pod, on the pod or on its namespace. */
export type Settings = Pick<
  ObservedPod,
  'enabled' | 'blockingReaders' | 'guard' | 'exclusions' | 'unknownAnnotation'
>

export interface SettingsReading {
  readonly settings: Settings
  /** The mistakes, in sentences for the user. */
  readonly problems: readonly string[]
}

/** Reads the settings of a pod or a namespace. Pure. */
export function readSettings(
  { annotations, labels }: { readonly annotations: Annotations; readonly labels: Annotations },
  whose: Whose,
): SettingsReading {
  const enabled = readEnabled(annotations)
  const blocking = readBlockingReaders(annotations)
  const guard = readGuard(annotations)
  const rules = readExclusions(annotations, whose)
  const meant = misspelt(annotations, labels, whose)
  // A misspelt exclusion may mean any traffic, so all of it stays on TCP.
  const exclusions = meant.excludes ? 'invalid' : rules.value
  return {
    settings: {
      ...(enabled.value === undefined ? {} : { enabled: enabled.value }),
      ...(blocking.value === undefined ? {} : { blockingReaders: blocking.value }),
      ...(guard.value === undefined ? {} : { guard: guard.value }),
      ...(exclusions === undefined ? {} : { exclusions }),
      ...(meant.isUnknown ? { unknownAnnotation: true } : {}),
    },
    problems: [
      ...[enabled, blocking, guard].flatMap(({ problem }) => problem ?? []),
      ...rules.problems,
      ...meant.problems,
    ],
  }
}

/**
 * Joins the settings of a pod and its namespace. The pod's setting replaces its namespace's, except for exclusions. The
 * exclusions of both hold, so that nothing excluded is accelerated. The problems are only those of the union. Pure.
 */
export function joinSettings(pod: Settings, namespace: Settings = {}): SettingsReading {
  const { value: exclusions, problems } = joinExclusions(pod.exclusions, namespace.exclusions)
  return {
    settings: {
      ...namespace,
      ...pod,
      ...(exclusions === undefined ? {} : { exclusions }),
    },
    problems,
  }
}

function joinExclusions(
  pod: Exclusions | 'invalid' | undefined,
  namespace: Exclusions | 'invalid' | undefined,
): { readonly value?: Exclusions | 'invalid'; readonly problems: readonly string[] } {
  if (pod === 'invalid' || namespace === 'invalid') return { value: 'invalid', problems: [] }
  const value = pod && namespace ? union(pod, namespace) : (pod ?? namespace)
  if (value === undefined) return { problems: [] }
  const problems = (['ports', 'cidrs', 'uids'] as const)
    .filter((kind) => value[kind].length > maxRules)
    .map(
      (kind) =>
        `${excludeKeys[kind]}: there are more than ${maxRules} together with its namespace's: the pod is not accelerated`,
    )
  return problems.length > 0 ? { value: 'invalid', problems } : { value, problems }
}
