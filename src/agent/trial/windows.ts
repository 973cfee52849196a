/** A window of a trial: the namespace is accelerated in it, or it is not. */
export interface PlannedWindow {
  /** Counts from 1. */
  readonly pair: number
  readonly on: boolean
}

/**
 * The windows of a trial, in order. Each pair has one of both kinds, and chance decides which one is first: a machine
 * that gets slower all the time favours neither. Pure.
 */
export function planWindows(pairs: number, random: () => number): PlannedWindow[] {
  return Array.from({ length: pairs }, (_, index) => {
    const first = random() < 0.5
    return [first, !first].map((on) => ({ pair: index + 1, on }))
  }).flat()
}
