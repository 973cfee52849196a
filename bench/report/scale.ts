/** Maps values to positions on one axis of a plot. */
export interface Scale {
  /** The position of a value. */
  at(value: number): number
  readonly ticks: readonly { readonly at: number; readonly label: string }[]
}

/** A linear scale from `low` to `high`, widened to whole ticks. */
export function linearScale(
  [low, high]: readonly [number, number],
  [from, to]: readonly [number, number],
  label: (value: number) => string,
): Scale {
  const step = niceStep((high - low || 1) / 4)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9))
  const at = (value: number): number =>
    from + ((value / step - first) / (last - first)) * (to - from)
  const values = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step)
  return { at, ticks: values.map((value) => ({ at: at(value), label: label(value) })) }
}

/** A logarithmic scale. Ticks are at 1, 2 and 5 of each decade, or only at 1 if there are many decades. */
export function logScale(
  [low, high]: readonly [number, number],
  [from, to]: readonly [number, number],
  label: (value: number) => string,
): Scale {
  const [bottom, top] = [Math.log10(low), Math.log10(Math.max(high, low * 1.1))]
  const at = (value: number): number =>
    from + ((Math.log10(value) - bottom) / (top - bottom)) * (to - from)
  const factors = top - bottom > 2.5 ? [1] : [1, 2, 5]
  const decades = Array.from(
    { length: Math.floor(top) - Math.floor(bottom) + 1 },
    (_, index) => 10 ** (Math.floor(bottom) + index),
  )
  const values = decades
    .flatMap((decade) => factors.map((factor) => factor * decade))
    .filter((value) => value >= low * 0.999 && value <= high * 1.001)
  return { at, ticks: values.map((value) => ({ at: at(value), label: label(value) })) }
}

/** One position for each label, in order. */
export function ordinalScale(
  labels: readonly string[],
  [from, to]: readonly [number, number],
): Scale {
  const step = (to - from) / labels.length
  const at = (index: number): number => from + (index + 0.5) * step
  return { at, ticks: labels.map((label, index) => ({ at: at(index), label })) }
}

/** A scale for shares of requests. Each further nine (90 %, 99 %, 99.9 %) takes the same space. */
export function ninesScale(highest: number, [from, to]: readonly [number, number]): Scale {
  const at = (share: number): number => from + (nines(share) / nines(highest)) * (to - from)
  return {
    at,
    ticks: [0, 0.5, 0.9, 0.99, 0.999, 0.9999]
      .filter((share) => share <= highest)
      .map((share) => ({ at: at(share), label: `${Number((share * 100).toFixed(2))} %` })),
  }
}

/** 1, 2 or 5 times a power of ten, not below `rough`. */
function niceStep(rough: number): number {
  const decade = 10 ** Math.floor(Math.log10(rough))
  return ([1, 2, 5].find((factor) => factor * decade >= rough * 0.999) ?? 10) * decade
}

const nines = (share: number): number => -Math.log10(1 - share)
