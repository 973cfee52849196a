import { byId, element, KeyedList, setAttribute, setText, SteadyOrder } from './dom.js'
import { age, bytes, count, counted, elsewhere, podName, rate } from './format.js'
import { bytesOf, keyOf } from './samples.js'
import { ShareBar } from './share-bar.js'

/**
 * @import { Ends, Flow, Hop, HopFlowsData, PageData } from '../page-types.ts'
 * @import { Samples } from './samples.js'
 */

const pageSize = 15

/** The pairs of pods as a table. Each row opens to its connections. */
export class HopTable {
  #samples
  /** @type {SteadyOrder<Hop>} */
  #order = new SteadyOrder()
  /** @type {KeyedList<Hop>} */
  #rows
  #limit = pageSize
  /** @type {PageData | undefined} */
  #data
  /** @type {string | undefined} */
  #pod
  /** The open row. @type {{ ends: Ends, list: KeyedList<Flow>, note: Element } | undefined} */
  #open
  /** @type {HopFlowsData['words']} */
  #words = {}
  #moreButton = element('button', 'link')

  /** @param {Samples} samples */
  constructor(samples) {
    this.#samples = samples
    this.#rows = new KeyedList(byId('hops'), (hop) => this.#makeRow(hop))
    this.#moreButton.type = 'button'
    this.#moreButton.addEventListener('click', () => {
      this.#limit += 100
      this.#draw()
    })
  }

  /** @param {PageData} data */
  update(data) {
    this.#data = data
    this.#draw()
    if (this.#open) void this.#ask()
  }

  /** Shows the pairs with one pod, or all. @param {string | undefined} pod */
  filter(pod) {
    this.#pod = pod
    this.#limit = pageSize
    this.#draw()
  }

  #draw() {
    if (!this.#data) return
    const { hops, moreHops } = this.#data.overview
    const pod = this.#pod
    const ours = pod ? hops.filter(({ ends }) => ends.client === pod || ends.server === pod) : hops
    byId('hops-part').hidden = hops.length === 0
    setText(
      byId('hops-of'),
      pod
        ? pod === elsewhere
          ? 'To and from elsewhere; Escape shows all again.'
          : `Of ${pod}; Escape shows all again.`
        : '',
    )
    byId('hops-of').hidden = !pod
    const sorted = this.#order.sort(ours, ({ ends }) => keyOf(ends), sizeOf, performance.now())
    this.#rows.update(sorted.slice(0, this.#limit), ({ ends }) => keyOf(ends))

    const rest = ours.length - this.#limit
    const more = byId('hops-more')
    more.hidden = rest <= 0 && moreHops === 0
    if (rest > 0) {
      setText(this.#moreButton, `Show ${count(Math.min(rest, 100))} more of ${count(ours.length)}`)
      if (!this.#moreButton.isConnected) more.append(this.#moreButton)
    } else {
      this.#moreButton.remove()
      setText(more, moreHops > 0 ? `${counted(moreHops, 'quieter hop')} besides are not told.` : '')
    }
  }

  /** @param {Hop} first */
  #makeRow({ ends }) {
    const key = keyOf(ends)
    const { client, server } = ends
    const button = element('button', 'hop')
    button.type = 'button'
    button.append(element('span', 'name', podName(client)))
    if (client === server) button.append(element('span', 'quiet', ' within the pod'))
    else button.append(element('span', 'arrow', ' to '), element('span', 'name', podName(server)))
    button.setAttribute('aria-expanded', 'false')
    const because = element('p', 'because quiet')
    const head = element('th', '', button, because)
    head.scope = 'row'
    const bar = new ShareBar()
    const now = element('td', 'number')
    const connections = element('td', 'number wide')
    const row = element('tr', '', head, element('td', 'share', bar.element), now, connections)
    const part = element('tbody', '', row)
    button.addEventListener('click', () => this.#toggle(ends, part, button))
    return {
      part,
      update: (/** @type {Hop} */ hop) => {
        const traffic = this.#samples.rateOf(hop.ends)
        bar.update(traffic, bytesOf(hop))
        setText(now, rate(traffic.fast + traffic.tcp))
        setText(connections, count(hop.engaged + hop.plain))
        setText(because, this.#becauseOf(hop))
        because.hidden = because.textContent === ''
        const isOpen = this.#open !== undefined && keyOf(this.#open.ends) === key
        setAttribute(button, 'aria-expanded', String(isOpen))
        if (!isOpen) part.querySelector('.connections')?.remove()
      },
    }
  }

  /** @param {Hop} hop */
  #becauseOf({ plain, reasons }) {
    const [most] = Object.entries(reasons).toSorted(([, one], [, other]) => other - one)
    if (!most) return ''
    const [reason, held] = most
    const means = this.#data?.words.traffic[reason]?.means ?? reason
    return `${counted(plain, 'connection')} on TCP${held === plain ? '' : `, ${count(held)} of them`}: ${means}`
  }

  /**
   * @param {Ends} ends
   * @param {Element} part
   * @param {Element} button
   */
  #toggle(ends, part, button) {
    const wasOpen = this.#open !== undefined && keyOf(this.#open.ends) === keyOf(ends)
    byId('hops').querySelector('.connections')?.remove()
    this.#open = undefined
    if (!wasOpen) {
      const note = element('p', 'quiet', 'Asking for its connections')
      const items = element('ul', 'flows')
      const cell = element('td', '', note, items)
      cell.colSpan = 4
      part.append(element('tr', 'connections', cell))
      this.#open = { ends, note, list: new KeyedList(items, (flow) => this.#makeFlow(flow)) }
      void this.#ask()
    }
    this.#draw()
    setAttribute(button, 'aria-expanded', String(!wasOpen))
  }

  async #ask() {
    const open = this.#open
    if (!open) return
    const query = new URLSearchParams()
    if (open.ends.client !== undefined) query.set('client', open.ends.client)
    if (open.ends.server !== undefined) query.set('server', open.ends.server)
    try {
      const response = await fetch(`api/flows?${query.toString()}`)
      if (!response.ok || this.#open !== open) return
      /** @type {HopFlowsData} */
      const { flows, words } = await response.json()
      this.#words = words
      open.list.update(flows, ({ identity }) => identity)
      const hop = this.#data?.overview.hops.find(({ ends }) => keyOf(ends) === keyOf(open.ends))
      const all = hop ? hop.engaged + hop.plain : flows.length
      setText(
        open.note,
        flows.length < all ? `The ${flows.length} with the most bytes of ${count(all)}` : '',
      )
    } catch {
      setText(open.note, 'The agent does not answer.')
    }
  }

  /** @param {Flow} first */
  #makeFlow({ client, server }) {
    const [from, to] = [client, server].map((end) => end?.address ?? elsewhere)
    const ends = element('span', 'ends', `${from} → ${to}`)
    const paths = element('span', 'paths')
    const carried = element('span', 'carried quiet')
    return {
      part: element('li', '', ends, ' ', paths, ' ', carried),
      update: (/** @type {Flow} */ flow) => {
        setText(paths, pathsOf(flow, this.#words))
        const sum = (/** @type {'redirectedBytes' | 'tcpBytes'} */ field) =>
          flow.directions.reduce((total, direction) => total + direction[field], 0)
        setText(
          carried,
          `${bytes(sum('redirectedBytes'))} fast, ${bytes(sum('tcpBytes'))} by TCP in ${age(flow.ageMs)}`,
        )
      },
    }
  }
}

/** @param {Hop} hop */
const sizeOf = ({ redirectedBytes, tcpBytes }) => redirectedBytes + tcpBytes

/**
 * @param {Flow} flow
 * @param {HopFlowsData['words']} words
 */
function pathsOf({ directions }, words) {
  const said = directions.map(({ path, reason }) => {
    const way = path === 'redirect' ? 'fast' : path === 'tcp' ? 'TCP' : path
    return reason === undefined ? way : `${way} (${words[reason]?.means ?? reason})`
  })
  const [there = '', back = ''] = said
  return there === back ? `both ways ${there}` : `there ${there}; back ${back}`
}
