import { bodyOf, byId, element, KeyedList, setProse, setText } from './dom.js'
import { counted, duration } from './format.js'

/** @import { Latencies, Latency, PageData } from '../page-types.ts' */

/** @type {Readonly<Record<PageData['overview']['measuring'], string>>} */
const unmeasured = {
  off: 'Not measured. An agent that is started with `--measure namespaces`, or `pods`, measures it (`agent.measure` in the chart).',
  refused:
    'Not measured: this kernel refuses the programs that measure. The log of the agent says why.',
  namespaces: 'No request has been answered since the agent began to measure.',
  pods: 'No request has been answered since the agent began to measure.',
}

/** Request latencies over both paths, if they are measured. */
export class LatencyTable {
  #rows = new KeyedList(bodyOf('latency'), makeRow)

  /** @param {PageData} data */
  update({ overview }) {
    const { latencies, measuring } = overview
    byId('latency-part').hidden = false
    byId('latency').hidden = latencies.length === 0
    setProse(
      byId('latency-note'),
      latencies.length === 0
        ? unmeasured[measuring]
        : "From a client's send to the first byte of the answer, so what the server does is part of it: two paths compare where both carry the same kind of requests. Since the agent began to measure; estimated from buckets by powers of two.",
    )
    this.#rows.update(latencies, ({ source, destination }) => JSON.stringify([source, destination]))
  }
}

/** @param {Latencies} first */
function makeRow({ source, destination }) {
  const head = element(
    'th',
    '',
    element('span', 'name', source),
    element('span', 'arrow', ' to '),
    element('span', 'name', destination),
  )
  head.scope = 'row'
  const [fast, tcp] = [new Cell(), new Cell()]
  return {
    part: element('tr', '', head, fast.element, tcp.element),
    update: (/** @type {Latencies} */ pair) => {
      fast.update(pair.redirect)
      tcp.update(pair.tcp)
    },
  }
}

class Cell {
  #median = element('p', '')
  #more = element('p', 'quiet')
  #requests = element('p', 'quiet')
  element = element('td', 'latency', this.#median, this.#more, this.#requests)

  /** @param {Latency | undefined} latency */
  update(latency) {
    setText(this.#median, latency ? `half within ${duration(latency.medianUs)}` : 'none')
    setText(
      this.#more,
      latency ? `99 % within ${duration(latency.p99Us)}, mean ${duration(latency.meanUs)}` : '',
    )
    setText(this.#requests, latency ? counted(latency.requests, 'request') : '')
  }
}
