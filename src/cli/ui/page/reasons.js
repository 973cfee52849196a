import { bodyOf, byId, element, KeyedList, setProse, setText, SteadyOrder } from './dom.js'
import { count, counted } from './format.js'

/**
 * @import { PageData, Pod, Reader } from '../page-types.ts'
 * @typedef {{ readonly reason: string, readonly size: string, readonly means: string, readonly next: string,
 *   readonly names?: readonly string[] }} Entry
 */

/** @param {Entry} first */
export function makeEntry({ reason }) {
  const size = element('span', 'size')
  const means = element('span', 'means')
  const next = element('p', 'next')
  const names = element('p', 'names')
  const head = element('p', 'head', size, ' ', means)
  const part = element('li', '', head, next, names, element('p', 'code', reason))
  return {
    part,
    update: (/** @type {Entry} */ entry) => {
      setText(size, entry.size)
      setProse(means, entry.means)
      setProse(next, entry.next)
      next.hidden = entry.next === ''
      setText(names, (entry.names ?? []).join(', '))
      names.hidden = !entry.names
    },
  }
}

/** The reasons that keep live connections off the fast path. */
export class Reasons {
  /** @type {SteadyOrder<[string, number]>} */
  #order = new SteadyOrder()
  #list = new KeyedList(byId('reasons'), makeEntry)
  #counted = new KeyedList(bodyOf('counted'), makeCounted)

  /** @param {PageData} data */
  update({ overview, words }) {
    /** @type {Map<string, number>} */
    const sums = new Map()
    for (const { reasons } of overview.hops) {
      for (const [reason, held] of Object.entries(reasons)) {
        sums.set(reason, (sums.get(reason) ?? 0) + held)
      }
    }
    const sorted = this.#order.sort(
      [...sums],
      ([reason]) => reason,
      ([, held]) => held,
      performance.now(),
    )
    this.#list.update(
      sorted.map(([reason, held]) => ({
        reason,
        size: `${counted(held, 'connection')}:`,
        means: `${words.traffic[reason]?.means ?? reason}.`,
        next: words.traffic[reason]?.next ?? '',
      })),
      ({ reason }) => reason,
    )
    byId('reasons-none').hidden = sums.size > 0

    const ever = Object.entries(overview.status.reasons).filter(([, times]) => times > 0)
    byId('counted').hidden = ever.length === 0
    this.#counted.update(
      ever
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
        .map(([reason, times]) => ({
          reason,
          size: count(times),
          means: words.traffic[reason]?.means ?? '',
          next: '',
        })),
      ({ reason }) => reason,
    )
  }
}

/** @param {Entry} first */
function makeCounted({ reason, means }) {
  const size = element('td', 'number')
  const head = element('th', '', element('code', '', reason), element('p', 'quiet', means))
  head.scope = 'row'
  return {
    part: element('tr', '', head, size),
    update: (/** @type {Entry} */ entry) => setText(size, entry.size),
  }
}

/** Pods that are not enrolled, by the reason. */
export class OtherPods {
  #list = new KeyedList(byId('others'), makeEntry)

  /** @param {PageData} data */
  update({ overview, words }) {
    /** @type {Map<string, Pod[]>} */
    const others = new Map()
    for (const pod of overview.pods) {
      if (pod.enrolled) continue
      const reason = pod.reason ?? 'unknown'
      others.set(reason, [...(others.get(reason) ?? []), pod])
    }
    byId('others-part').hidden = others.size === 0
    this.#list.update(
      [...others].map(([reason, pods]) => ({
        reason,
        size: `${counted(pods.length, 'pod')}:`,
        means: `${words.pods[reason]?.means ?? reason}.`,
        next: words.pods[reason]?.next ?? '',
        names: namesOf(pods),
      })),
      ({ reason }) => reason,
    )
  }
}

const namesLimit = 12

/** @param {readonly Pod[]} pods */
function namesOf(pods) {
  const names = pods.map(({ namespace, name }) => `${namespace}/${name}`)
  const rest = names.length - namesLimit
  return rest > 0 ? [...names.slice(0, namesLimit), `and ${rest} more (\`meshaccel pods\`)`] : names
}

/** Programs that read, and those that are kept off the fast path. */
export class Readers {
  #list = new KeyedList(byId('quarantined'), makeEntry)

  /** @param {PageData} data */
  update({ overview, words }) {
    setText(byId('proven'), provenWords(overview.readers))
    const quarantined = overview.readers.filter((reader) => reader.quarantined)
    this.#list.update(
      quarantined.map(({ namespace, name, program, evidence = 'unknown' }) => ({
        reason: `${namespace}/${name} ${program}`,
        size: program,
        means: `of ${namespace}/${name} is quarantined; of one of its connections: ${words.traffic[evidence]?.means ?? evidence}.`,
        next: 'Once it is fixed, `meshaccel readers forgive` trusts it again.',
      })),
      ({ reason }) => reason,
    )
  }
}

/** @param {readonly Reader[]} readers */
function provenWords(readers) {
  const proven = readers.reduce((sum, { connections }) => sum + connections.proven, 0)
  const unproven = readers
    .flatMap(({ connections }) => Object.values(connections.unproven))
    .reduce((sum, one) => sum + one, 0)
  if (proven + unproven === 0) return 'Nothing has read in an enrolled pod yet.'
  const ends = `${count(proven)} of ${counted(proven + unproven, 'receiving end')} have proven that they read in a way that redirected bytes survive.`
  return readers.some(({ quarantined }) => quarantined)
    ? ends
    : `${ends} No program is quarantined.`
}
