/**
 * @import { Ends, PageData } from '../page-types.ts'
 * @typedef {{ readonly fast: number, readonly tcp: number }} Traffic bytes, or bytes a second
 * @typedef {Traffic & { readonly atMs: number, readonly seconds: number }} Sample
 */

const historyMs = 300_000
/** Answers that are further apart give no rate: the page was paused. */
const gapMs = 15_000
/** The weight of the newest rate. The rest smooths it. */
const freshness = 0.5

/** Rates from successive answers, and five minutes of history. */
export class Samples {
  /** @type {PageData | undefined} */
  #last
  /** @type {Sample[]} */
  #history = []
  /** @type {Map<string, Traffic>} */
  #rates = new Map()

  /** @param {PageData} data */
  add(data) {
    const last = this.#last
    if (last?.atMs === data.atMs) return
    this.#last = data
    const elapsedMs = last ? data.atMs - last.atMs : 0
    if (!last || elapsedMs <= 0 || elapsedMs > gapMs) {
      this.#rates = new Map()
      return
    }
    const seconds = elapsedMs / 1000
    const [now, before] = [totalOf(data), totalOf(last)]
    const { fast, tcp } = difference(now, before)
    this.#history.push({ fast, tcp, seconds, atMs: data.atMs })
    this.#history = this.#history.filter(({ atMs }) => data.atMs - atMs < historyMs)

    const known = new Map(last.overview.hops.map((hop) => [keyOf(hop.ends), hop]))
    const rates = new Map()
    for (const hop of data.overview.hops) {
      const key = keyOf(hop.ends)
      const then = known.get(key)
      if (!then) continue
      const moved = difference(bytesOf(hop), bytesOf(then))
      const old = this.#rates.get(key)
      rates.set(key, {
        fast: blend(old?.fast, moved.fast / seconds),
        tcp: blend(old?.tcp, moved.tcp / seconds),
      })
    }
    this.#rates = rates
  }

  /** Whether there were two answers. */
  get hasRates() {
    return this.#history.length > 0
  }

  /** The oldest first. */
  get history() {
    return this.#history
  }

  /**
   * Bytes a second.
   * @param {Ends} ends
   * @returns {Traffic}
   */
  rateOf(ends) {
    return this.#rates.get(keyOf(ends)) ?? { fast: 0, tcp: 0 }
  }

  /**
   * The bytes of the last samples, and their duration in seconds.
   * @param {number} spanMs
   */
  recent(spanMs) {
    const end = this.#history.at(-1)?.atMs ?? 0
    const sum = { fast: 0, tcp: 0, seconds: 0 }
    for (const { atMs, fast, tcp, seconds } of this.#history) {
      if (end - atMs >= spanMs) continue
      sum.fast += fast
      sum.tcp += tcp
      sum.seconds += seconds
    }
    return sum
  }
}

/** @param {Ends} ends */
export const keyOf = ({ client, server }) => JSON.stringify([client, server])

/**
 * @param {PageData} data
 * @returns {Traffic} since the data path was attached
 */
export function totalOf({ overview }) {
  const { redirectedBytes, tcpBytes } = overview.status.totals
  return { fast: redirectedBytes, tcp: tcpBytes }
}

/**
 * @param {{ readonly redirectedBytes: number, readonly tcpBytes: number }} counted
 * @returns {Traffic}
 */
export function bytesOf({ redirectedBytes, tcpBytes }) {
  return { fast: redirectedBytes, tcp: tcpBytes }
}

/**
 * Subtracts counters. A counter that has decreased was reset.
 * @param {Traffic} now
 * @param {Traffic} before
 * @returns {Traffic}
 */
function difference(now, before) {
  return { fast: Math.max(now.fast - before.fast, 0), tcp: Math.max(now.tcp - before.tcp, 0) }
}

/**
 * @param {number | undefined} old
 * @param {number} fresh
 */
function blend(old, fresh) {
  return old === undefined ? fresh : old + (fresh - old) * freshness
}
