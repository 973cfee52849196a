import { bodyOf, byId, element, KeyedList, setProse, setText } from './dom.js'
import { makeEntry } from './reasons.js'

/** @import { PageData, ProbeFinding } from '../page-types.ts' */

/** The policy on this kernel, and its reasons. */
export class SelfTest {
  #failed = new KeyedList(byId('probes-failed'), makeEntry)
  #all = new KeyedList(bodyOf('probes'), makeRow)

  /** @param {PageData} data */
  update({ overview, policyMeans, probes }) {
    const { policy, kernel, version, source } = overview.status
    setProse(
      byId('policy'),
      `Policy \`${policy}\`: ${policyMeans}. \`meshaccel doctor\` runs it again.`,
    )
    const pods = source.synced ? `pods from ${source.name}` : `waiting for ${source.name}`
    setText(byId('kernel'), `Linux ${kernel}, meshaccel ${version}, ${pods}.`)

    this.#failed.update(
      probes
        .filter(({ verdict }) => verdict !== 'ok')
        .map(({ name, verdict, means, hint = '' }) => ({
          reason: name,
          size: verdict === 'note' ? 'For information:' : `At best ${verdict}:`,
          means: `${means}.`,
          next: hint,
        })),
      ({ reason }) => reason,
    )
    this.#all.update(probes, ({ name }) => name)
    byId('probes').hidden = probes.length === 0
    byId('probes-none').hidden = probes.length > 0
  }
}

/** @param {ProbeFinding} first */
function makeRow({ name }) {
  const means = element('p', 'quiet')
  const verdict = element('td', 'number')
  const head = element('th', '', element('code', '', name), means)
  head.scope = 'row'
  return {
    part: element('tr', '', head, verdict),
    update: (/** @type {ProbeFinding} */ probe) => {
      setText(means, probe.means)
      setText(verdict, probe.verdict)
    },
  }
}
