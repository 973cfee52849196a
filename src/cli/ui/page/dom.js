// All text enters the document as text: users choose the names of pods and programs.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, className = '', ...children) {
  const made = document.createElement(tag)
  if (className) made.className = className
  made.append(...children)
  return made
}

/** @param {string} tag */
export function svgElement(tag) {
  return document.createElementNS('http://www.w3.org/2000/svg', tag)
}

/**
 * The element of index.html with this id.
 * @param {string} id
 */
export function byId(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`index.html has no #${id}`)
  return found
}

/**
 * The rows of the table that is, or is inside, the element with this id.
 * @param {string} id
 */
export function bodyOf(id) {
  const body = byId(id).querySelector('tbody')
  if (!body) throw new Error(`index.html has no rows in #${id}`)
  return body
}

/**
 * Changes the document only if the text differs. So a selection stays, and there is no new layout.
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text
}

/**
 * Sets a text in which `code` is between backticks.
 * @param {Element} target
 * @param {string} text
 */
export function setProse(target, text) {
  const pieces = text.split('`')
  if (target.textContent === pieces.join('')) return
  target.replaceChildren(
    ...pieces.map((piece, index) => (index % 2 ? element('code', '', piece) : piece)),
  )
}

/**
 * @param {Element} target
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value)
}

/**
 * A parent's children, one for each item. An item keeps its element between updates.
 * @template Item
 */
export class KeyedList {
  /** @type {Map<string, { part: Element, update: (item: Item) => void }>} */
  #parts = new Map()
  #parent
  /** The children of the parent before the items. */
  #anchor
  #make

  /**
   * @param {Element} parent
   * @param {(item: Item) => { part: Element, update: (item: Item) => void }} make
   */
  constructor(parent, make) {
    this.#parent = parent
    this.#anchor = parent.lastElementChild
    this.#make = make
  }

  /**
   * @param {readonly Item[]} items
   * @param {(item: Item) => string} keyOf
   */
  update(items, keyOf) {
    const focused = document.activeElement
    const gone = new Set(this.#parts.keys())
    let before = this.#anchor
    for (const item of items) {
      const key = keyOf(item)
      gone.delete(key)
      let known = this.#parts.get(key)
      if (!known) this.#parts.set(key, (known = this.#make(item)))
      known.update(item)
      const { part } = known
      const follower = before ? before.nextElementSibling : this.#parent.firstElementChild
      if (follower !== part) {
        if (before) before.after(part)
        else this.#parent.prepend(part)
      }
      before = part
    }
    for (const key of gone) {
      this.#parts.get(key)?.part.remove()
      this.#parts.delete(key)
    }
    // A moved element loses the focus.
    if (focused instanceof HTMLElement && focused.isConnected)
      focused.focus({ preventScroll: true })
  }
}

/**
 * A stable order for readers: new items come last, and all items are sorted only every ten seconds.
 * @template Item
 */
export class SteadyOrder {
  /** @type {Map<string, number>} */
  #places = new Map()
  #sortedMs = -Infinity

  /**
   * @param {readonly Item[]} items
   * @param {(item: Item) => string} keyOf
   * @param {(item: Item) => number} sizeOf the largest comes first
   * @param {number} nowMs
   * @returns {Item[]}
   */
  sort(items, keyOf, sizeOf, nowMs) {
    if (nowMs - this.#sortedMs > 10_000) {
      this.#sortedMs = nowMs
      this.#places = new Map()
    }
    const bySize = items.toSorted((one, other) => sizeOf(other) - sizeOf(one))
    for (const item of bySize) {
      const key = keyOf(item)
      if (!this.#places.has(key)) this.#places.set(key, this.#places.size)
    }
    const placeOf = (/** @type {Item} */ item) => this.#places.get(keyOf(item)) ?? 0
    return bySize.toSorted((one, other) => placeOf(one) - placeOf(other))
  }
}
