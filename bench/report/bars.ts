import type { Spread } from '../measure/statistics.ts'
import { formatShort } from './format.ts'
import { markup, type Markup } from '../../src/lib/markup.ts'
import { linearScale } from './scale.ts'

/** One bar: the median, the spread of the rounds, and each round. */
export interface Bar {
  readonly name: string
  readonly spread: Spread
  readonly rounds: readonly number[]
  /** The text beside the figure: `1.52x`. */
  readonly note: string
}

const WIDTH = 460
const LEFT = 84
const RIGHT = 132
const ROW = 34
const THICK = 18

/** A bar chart from zero. Each bar shows its rounds as dots, and a line from the lowest to the highest. */
export function barChart(title: string, unit: string, bars: readonly Bar[]): Markup {
  const most = Math.max(...bars.map(({ spread }) => spread.high))
  const bottom = bars.length * ROW + 6
  const scale = linearScale([0, most], [LEFT, WIDTH - RIGHT], formatShort)
  const grid = scale.ticks.map(
    ({ at, label }) =>
      markup`<line class="grid" x1="${place(at)}" x2="${place(at)}" y1="0" y2="${bottom}" /><text
          class="tick"
          x="${place(at)}"
          y="${bottom + 16}"
          text-anchor="middle"
          >${label}</text
        >`,
  )
  const rows = bars.map(({ name, spread, rounds, note }, index) => {
    const middle = index * ROW + ROW / 2 + 2
    const end = scale.at(spread.median)
    return markup`<g class="mode-${name}">
      <text class="name" x="${LEFT - 8}" y="${middle + 4}" text-anchor="end">${name}</text>
      <rect
        class="fill"
        x="${LEFT}"
        y="${middle - THICK / 2}"
        width="${place(Math.max(1, end - LEFT))}"
        height="${THICK}"
        rx="2"
      />
      <line
        class="range"
        x1="${place(scale.at(spread.low))}"
        x2="${place(scale.at(spread.high))}"
        y1="${middle}"
        y2="${middle}"
      />
      ${rounds.map(
        (value) =>
          markup`<circle class="round" cx="${place(scale.at(value))}" cy="${middle}" r="2.5" />`,
      )}
      <text class="value" x="${WIDTH - RIGHT + 12}" y="${middle + 4}"
        >${formatShort(spread.median)}<tspan class="note" dx="6">${note}</tspan></text
      >
    </g>`
  })
  const said = bars.map(({ name, spread }) => `${name} ${formatShort(spread.median)}`).join(', ')
  return markup`<figure>
    <figcaption>${title}<span class="unit">${unit}</span></figcaption>
    <svg viewBox="0 0 ${WIDTH} ${bottom + 22}" role="img" aria-label="${title}: ${said} ${unit}"
      >${grid}${rows}</svg
    >
  </figure>`
}

const place = (value: number): string => value.toFixed(1)
