import { element, setText } from './dom.js'
import { percent } from './format.js'

/** @import { Traffic } from './samples.js' */

/** The share of fast traffic: a bar and a number. */
export class ShareBar {
  #fill = element('i')
  #words = element('span', 'words')
  #bar = element('span', 'bar', this.#fill)
  element = element('span', 'share-bar', this.#bar, this.#words)

  constructor() {
    this.#bar.setAttribute('aria-hidden', 'true')
  }

  /**
   * @param {Traffic} now bytes a second
   * @param {Traffic} total bytes; used if there is no traffic now
   */
  update(now, total) {
    const moving = now.fast + now.tcp >= 1
    const { fast, tcp } = moving ? now : total
    const isAny = fast + tcp > 0
    const share = isAny ? fast / (fast + tcp) : 0
    this.#bar.className = isAny ? (moving ? 'bar' : 'bar still') : 'bar empty'
    this.#fill.style.width = `${share * 100}%`
    setText(this.#words, isAny ? percent(share) : 'nothing yet')
  }
}
