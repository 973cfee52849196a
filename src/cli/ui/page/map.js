import {
  bodyOf,
  byId,
  element,
  KeyedList,
  setAttribute,
  setText,
  SteadyOrder,
  svgElement,
} from './dom.js'
import { count, elsewhere, podName, rate } from './format.js'
import { bytesOf, keyOf } from './samples.js'
import { ShareBar } from './share-bar.js'

/**
 * @import { Ends, Hop, PageData, Pod } from '../page-types.ts'
 * @import { Samples, Traffic } from './samples.js'
 * @typedef {{ readonly name: string, readonly pod?: Pod, readonly connections: number, readonly now: Traffic,
 *   readonly total: Traffic }} Row
 * @typedef {{ readonly key: string, readonly path: string, readonly kind: string, readonly wide: number,
 *   readonly pods: readonly [string, string] }} Arc
 * @typedef {{ readonly name: string, readonly x: number, readonly y: number }} Dot
 */

/** A picture with more is unreadable. */
const rowLimit = 24

/** The pods in a column, and the pairs of pods as arcs. */
export class NodeMap {
  #samples
  #onSelect
  /** @type {SteadyOrder<Row>} */
  #order = new SteadyOrder()
  /** @type {KeyedList<Row>} */
  #rows
  /** @type {KeyedList<Arc>} */
  #arcs
  /** @type {KeyedList<Dot>} */
  #dots
  #all = false
  /** @type {PageData | undefined} */
  #data
  /** @type {string | undefined} */
  #selected
  /** @type {string | undefined} */
  #pointed
  #moreButton = element('button', 'link')

  /**
   * @param {Samples} samples
   * @param {(pod: string | undefined) => void} onSelect
   */
  constructor(samples, onSelect) {
    this.#samples = samples
    this.#onSelect = onSelect
    this.#rows = new KeyedList(bodyOf('pods'), (row) => this.#makeRow(row))
    this.#arcs = new KeyedList(byId('lines'), makeArc)
    this.#dots = new KeyedList(byId('dots'), makeDot)
    this.#moreButton.type = 'button'
    this.#moreButton.addEventListener('click', () => {
      this.#all = !this.#all
      this.#draw()
    })
    new ResizeObserver(() => this.#draw()).observe(byId('map'))
    document.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape' && this.#selected !== undefined) this.#select(undefined)
    })
  }

  /** @param {PageData} data */
  update(data) {
    this.#data = data
    this.#draw()
  }

  #draw() {
    if (!this.#data) return
    const { pods, hops } = this.#data.overview
    const rows = rowsOf(pods, hops, this.#samples)
    const busiest = this.#order.sort(rows, ({ name }) => name, sizeOf, performance.now())
    const shown = (this.#all ? rows : busiest.slice(0, rowLimit)).toSorted(byName)
    this.#rows.update(shown, ({ name }) => name)
    this.#showMore(rows.filter(({ pod }) => pod).length)
    this.#drawArcs(hops)
  }

  /** @param {number} total */
  #showMore(total) {
    const more = byId('pods-more')
    more.hidden = total <= rowLimit
    if (more.hidden) return
    setText(
      this.#moreButton,
      this.#all ? `Show the ${rowLimit} busiest` : `Show all ${count(total)} pods`,
    )
    if (!this.#moreButton.isConnected) more.append(this.#moreButton)
  }

  /** @param {Row} first */
  #makeRow({ name, pod }) {
    const button = element('button', 'pod')
    button.type = 'button'
    if (pod) button.append(element('span', 'quiet', `${pod.namespace}/`))
    button.append(element('span', pod ? 'name' : 'name quiet', pod ? pod.name : elsewhere))
    button.addEventListener('click', () => this.#select(this.#selected === name ? undefined : name))
    const bar = new ShareBar()
    const now = element('td', 'number')
    const connections = element('td', 'number wide')
    const head = element('th', '', button)
    head.scope = 'row'
    const part = element('tr', '', head, element('td', 'share', bar.element), now, connections)
    part.dataset['pod'] = name
    part.addEventListener('pointerenter', () => this.#point(name))
    part.addEventListener('pointerleave', () => this.#point(undefined))
    return {
      part,
      update: (/** @type {Row} */ row) => {
        bar.update(row.now, row.total)
        setText(now, rate(row.now.fast + row.now.tcp))
        setText(connections, count(row.connections))
        setAttribute(button, 'aria-pressed', String(this.#selected === name))
      },
    }
  }

  /** @param {string | undefined} name */
  #select(name) {
    this.#selected = name
    this.#onSelect(name)
    this.#draw()
  }

  /** @param {string | undefined} name */
  #point(name) {
    this.#pointed = name
    this.#dim()
  }

  /** Dims everything that does not concern the pod under the pointer, or the selected one. */
  #dim() {
    const pod = this.#pointed ?? this.#selected
    for (const line of byId('lines').children) {
      const isOther = pod !== undefined && !(line instanceof SVGElement && touches(line, pod))
      line.classList.toggle('dim', isOther)
    }
  }

  /** @param {readonly Hop[]} hops */
  #drawArcs(hops) {
    const map = byId('map')
    const svg = byId('arcs')
    const frame = map.getBoundingClientRect()
    const gutter = svg.getBoundingClientRect().width
    setAttribute(svg, 'height', String(Math.round(frame.height)))
    /** @type {Map<string, number>} */
    const heights = new Map()
    for (const row of map.querySelectorAll('tr')) {
      const name = row.dataset['pod']
      if (name === undefined) continue
      const { top, height } = row.getBoundingClientRect()
      heights.set(name, Math.round(top - frame.top + height / 2))
    }
    const room = { width: gutter, height: frame.height }
    const arcs = hops.flatMap((hop) => arcsOf(hop, this.#samples.rateOf(hop.ends), heights, room))
    // The fast path is drawn on top.
    arcs.sort((one, other) => Number(one.kind === 'fast') - Number(other.kind === 'fast'))
    this.#arcs.update(arcs, ({ key }) => key)
    this.#dots.update(
      [...heights].map(([name, y]) => ({ name, y, x: gutter - margin })),
      ({ name }) => name,
    )
    this.#dim()
  }
}

/**
 * @param {SVGElement} arc
 * @param {string} pod
 */
function touches({ dataset }, pod) {
  return dataset['from'] === pod || dataset['to'] === pod
}

/**
 * The enrolled pods with the traffic of all their pairs, and a row for all other ends.
 * @param {readonly Pod[]} pods
 * @param {readonly Hop[]} hops
 * @param {Samples} samples
 * @returns {Row[]}
 */
function rowsOf(pods, hops, samples) {
  /** @type {Map<string, { name: string, pod?: Pod, connections: number, now: Traffic, total: Traffic }>} */
  const rows = new Map()
  const begin = (/** @type {string} */ name, /** @type {Pod | undefined} */ pod) => {
    const nothing = { fast: 0, tcp: 0 }
    rows.set(name, { name, ...(pod && { pod }), connections: 0, now: nothing, total: nothing })
  }
  for (const pod of pods) if (pod.enrolled) begin(`${pod.namespace}/${pod.name}`, pod)
  for (const hop of hops) {
    for (const name of new Set(endsOf(hop.ends))) {
      if (name === elsewhere && !rows.has(name)) begin(name, undefined)
      const row = rows.get(name)
      if (!row) continue
      row.connections += hop.engaged + hop.plain
      row.now = plus(row.now, samples.rateOf(hop.ends))
      row.total = plus(row.total, bytesOf(hop))
    }
  }
  return [...rows.values()]
}

/** @param {Row} row */
const sizeOf = ({ total }) => total.fast + total.tcp

/**
 * @param {Ends} ends
 * @returns {[string, string]}
 */
const endsOf = ({ client, server }) => [podName(client), podName(server)]

/**
 * @param {Traffic} one
 * @param {Traffic} other
 * @returns {Traffic}
 */
const plus = (one, other) => ({ fast: one.fast + other.fast, tcp: one.tcp + other.tcp })

/**
 * Compares by name. `elsewhere` comes last.
 * @param {Row} one
 * @param {Row} other
 */
function byName(one, other) {
  if (!one.pod || !other.pod) return Number(!one.pod) - Number(!other.pod)
  return one.name < other.name ? -1 : 1
}

/** The gap between the ends of the arcs and the names. */
const margin = 14

/**
 * The lines of a pair: one for the fast path, one for TCP.
 * @param {Hop} hop
 * @param {Traffic} now
 * @param {ReadonlyMap<string, number>} heights the position of each drawn pod
 * @param {{ readonly width: number, readonly height: number }} room
 * @returns {Arc[]}
 */
function arcsOf({ ends, engaged, plain }, now, heights, room) {
  const pods = endsOf(ends)
  const [from, to] = [heights.get(pods[0]), heights.get(pods[1])]
  if (from === undefined || to === undefined) return []
  const key = keyOf(ends)
  // The longest arc fills the space. Short ones get more than their share, so that they differ visibly.
  const reach = 14 + (room.width - margin - 18) * Math.sqrt(Math.abs(to - from) / room.height)
  const x = room.width - margin
  return [
    ...(engaged > 0 ? [{ kind: 'fast', perSecond: now.fast, inset: 0 }] : []),
    ...(plain > 0 || now.tcp >= 1 ? [{ kind: 'tcp', perSecond: now.tcp, inset: 5 }] : []),
  ].map(({ kind, perSecond, inset }) => ({
    key: `${kind} ${key}`,
    kind,
    pods,
    wide: widthOf(perSecond),
    path: from === to ? loop(x, from, 8 - inset / 2) : arc(x, from, to, reach - inset),
  }))
}

/**
 * @param {number} x
 * @param {number} from
 * @param {number} to
 * @param {number} reach
 */
function arc(x, from, to, reach) {
  // A curve reaches three quarters as far as its control points.
  const out = Math.round(x - (reach * 4) / 3)
  return `M${x} ${from}C${out} ${from} ${out} ${to} ${x} ${to}`
}

/**
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 */
const loop = (x, y, radius) =>
  `M${x - radius} ${y}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0`

/** A rate that is a thousand times higher is three and a half times as wide. @param {number} perSecond */
const widthOf = (perSecond) =>
  perSecond < 1 ? 1 : Math.min(1 + Math.max(Math.log10(perSecond / 1000), 0) * 0.75, 5)

/** @param {Arc} first */
function makeArc({ kind, pods: [from, to] }) {
  const part = svgElement('path')
  part.setAttribute('class', kind)
  part.dataset['from'] = from
  part.dataset['to'] = to
  return {
    part,
    update: (/** @type {Arc} */ { path, wide }) => {
      setAttribute(part, 'd', path)
      setAttribute(part, 'stroke-width', wide.toFixed(1))
    },
  }
}

function makeDot() {
  const part = svgElement('circle')
  part.setAttribute('r', '3.5')
  return {
    part,
    update: (/** @type {Dot} */ { x, y }) => {
      setAttribute(part, 'cx', String(x))
      setAttribute(part, 'cy', String(y))
    },
  }
}
