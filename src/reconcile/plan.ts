import { isDeepStrictEqual } from 'node:util'
import type { PodNetns } from '../datapath/datapath.ts'

/** The steps that bring the maps to the desired state. */
export interface Plan {
  readonly enrol: readonly PodNetns[]
  /** Netns cookies. */
  readonly withdraw: readonly bigint[]
}

/**
 * Compares the desired enrolments with the maps' content, both by netns cookie. Pure. `undefined` is an enrolment of an
 * earlier agent, known only by its cookie: it is enrolled again.
 */
export function plan(
  desired: ReadonlyMap<bigint, PodNetns>,
  current: ReadonlyMap<bigint, PodNetns | undefined>,
): Plan {
  return {
    enrol: [...desired.values()].filter(
      (pod) => !isDeepStrictEqual(pod, current.get(pod.netnsCookie)),
    ),
    withdraw: [...current.keys()].filter((cookie) => !desired.has(cookie)),
  }
}
