import { isDeepStrictEqual } from 'node:util'
import type { PodNetns } from '../datapath/datapath.ts'

/** The steps from what the maps hold to what they should hold. */
export interface Plan {
  readonly enrol: readonly PodNetns[]
  /** Netns cookies. */
  readonly withdraw: readonly bigint[]
}

/**
 * The difference between the desired enrolments and the maps' content, both by netns cookie. Pure.
 * `undefined` stands for an enrolment of an earlier agent of which only the cookie is known: it is made anew.
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
