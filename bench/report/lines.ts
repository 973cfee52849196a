import { markup, type Markup } from '../../src/lib/markup.ts'
import type { Scale } from './scale.ts'

/** One line of a plot, for one mode. */
export interface Line {
  readonly name: string
  readonly points: readonly {
    readonly x: number
    readonly y: number
    /** The lowest and the highest round. */
    readonly range?: readonly [number, number]
  }[]
}

export interface LinePlot {
  readonly title: string
  readonly unit: string
  readonly xLabel: string
  readonly x: Scale
  readonly y: Scale
  readonly lines: readonly Line[]
  /** A reference value to draw. */
  readonly reference?: number
}

export const plotArea = { left: 62, right: 446, top: 10, bottom: 226 } as const
const WIDTH = 460
const HEIGHT = 272

/** Lines over one axis, with a legend below. Each mode has the same style in all plots. */
export function linePlot({ title, unit, xLabel, x, y, lines, reference }: LinePlot): Markup {
  const { left, right, top, bottom } = plotArea
  const grid = [
    y.ticks.map(
      ({ at, label }) =>
        markup`<line class="grid" x1="${left}" x2="${right}" y1="${place(at)}" y2="${place(at)}" />
          <text class="tick" x="${left - 6}" y="${place(at + 4)}" text-anchor="end">${label}</text>`,
    ),
    x.ticks.map(
      ({ at, label }) =>
        markup`<line class="grid" x1="${place(at)}" x2="${place(at)}" y1="${top}" y2="${bottom}" />
          <text class="tick" x="${place(at)}" y="${bottom + 16}" text-anchor="middle"
            >${label}</text
          >`,
    ),
  ]
  const drawn = lines.map(({ name, points }) => {
    const path = points.map((point) => `${place(x.at(point.x))},${place(y.at(point.y))}`)
    return markup`<g class="mode-${name}">
      <polyline class="line" points="${path.join(' ')}" />
      ${points.map((point) => {
        const [low, high] = point.range ?? []
        const at = place(x.at(point.x))
        return [
          low === undefined || high === undefined
            ? undefined
            : markup`<line
                class="range"
                x1="${at}"
                x2="${at}"
                y1="${place(y.at(low))}"
                y2="${place(y.at(high))}"
              />`,
          markup`<circle class="point" cx="${at}" cy="${place(y.at(point.y))}" r="2.5" />`,
        ]
      })}
    </g>`
  })
  return markup`<figure>
    <figcaption>${title}<span class="unit">${unit}</span></figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}, ${unit}, by ${xLabel}">
      ${grid}
      ${
        reference === undefined
          ? undefined
          : markup`<line
              class="reference"
              x1="${left}"
              x2="${right}"
              y1="${place(y.at(reference))}"
              y2="${place(y.at(reference))}"
            />`
      }${drawn}
      <text class="axis" x="${(left + right) / 2}" y="${HEIGHT - 6}" text-anchor="middle"
        >${xLabel}</text
      >
    </svg>
    <p class="legend">${lines.map(({ name }) => markup`<span class="mode-${name}">${name}</span>`)}</p>
  </figure>`
}

const place = (value: number): string => value.toFixed(1)
