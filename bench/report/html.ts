import { cells } from '../comparisons.ts'
import { type Cell, modes } from '../options.ts'
import type { Report } from '../report.ts'
import { formatBytes } from './format.ts'
import { meshes } from '../topology/mesh.ts'
import { cellCharts } from './charts.ts'
import { Markup, markup } from '../../src/lib/markup.ts'
import { methodOf, modesOf } from './method.ts'
import { style } from './style.ts'
import { sweepCharts } from './sweeps.ts'
import { cellRows, cellTitle, failureLines, range, ratioOf, subject, verdictLines } from './text.ts'
import { verdictOf } from './verdict.ts'
import { outcomeOf } from '../measure/intervals.ts'

/**
 * The report as one HTML file. It has no script and no external resources, and its content security policy forbids
 * both. A download link contains all figures as JSON.
 */
export function renderHtml(report: Report): string {
  const verdict = verdictOf(report)
  const sweeps = sweepCharts(report)
  const json = JSON.stringify(report, undefined, 2)
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>meshaccel bench</title>
<style>${new Markup(style)}</style>
</head>
<body>
<h1>meshaccel bench</h1>
<p class="about">${subject(report)} · ${report.startedAt.slice(0, 10)}</p>
<section class="verdict">
<strong>${verdict.headline}</strong>
<ul>${verdict.sentences.map((sentence) => markup`<li>${sentence}</li>`)}</ul>
</section>
${summary(report)}
${
  sweeps.length === 0
    ? undefined
    : markup`<h2>By concurrency and payload</h2><div class="plots">${sweeps}</div>`
}
${cells(report.runs).map((cell) => cellSection(report, cell))}
<h2>Environment</h2>
${definitions(environmentOf(report))}
<h2>Method</h2>
${methodOf(report).map((paragraph) => markup`<p>${paragraph}</p>`)}
${definitions(modesOf(report))}
<section class="raw">
<h2>Raw data</h2>
<p><a download="meshaccel-bench.json" href="data:application/json;base64,${Buffer.from(json).toString('base64')}">Save
as JSON</a>: what <code>meshaccel bench -o json</code> prints.</p>
<details><summary>Show</summary><pre>${json}</pre></details>
</section>
</body>
</html>
`
  return page.text
}

/** The summary table, with one row per cell. */
function summary(report: Report): Markup | undefined {
  const rows = cells(report.runs).flatMap((cell) => {
    const present = modes.filter(
      (mode) => mode !== 'iptables' && ratioOf(report, cell, mode, 'iptables'),
    )
    return present.length === 0 ? [] : [cell]
  })
  if (rows.length === 0) return undefined
  const columns = modes.filter(
    (mode) => mode !== 'iptables' && rows.some((cell) => ratioOf(report, cell, mode, 'iptables')),
  )
  return markup`<h2>Speed against iptables, with 95 % intervals</h2>
<div class="scroll"><table>
<tr><th>case</th>${columns.map((mode) => markup`<th>${mode}</th>`)}</tr>
${rows.map(
  (cell) =>
    markup`<tr><td>${cellTitle(report, cell)}</td>${columns.map((mode) => {
      const ratio = ratioOf(report, cell, mode, 'iptables')
      if (!ratio) return markup`<td></td>`
      const outcome = outcomeOf(ratio)
      const looks = mode === 'meshaccel' ? outcome : ''
      const unsure = outcome === 'not-sure' ? ' not sure' : ''
      return markup`<td><span class="${looks}">${ratio.median.toFixed(2)}x</span> <span class="note">${range(ratio)}${unsure}</span></td>`
    })}</tr>\n`,
)}</table></div>`
}

function cellSection(report: Report, cell: Cell): Markup {
  const [titles = [], ...rows] = cellRows(report, cell)
  return markup`<h2>${cellTitle(report, cell)}</h2>
${verdictLines(report, cell).map((line) => markup`<p>${line}</p>`)}
${failureLines(report, cell).map((line) => markup`<p class="slower">${line}</p>`)}
<div class="plots">${cellCharts(report, cell)}</div>
<div class="scroll"><table>
${row('th', titles)}${rows.map((texts) => row('td', texts))}</table></div>
`
}

function environmentOf({ host, software, proxy, mesh, startedAt }: Report): [string, string][] {
  return [
    ['Machine', `${host.cpuModel}, ${host.cpus} CPUs, ${formatBytes(host.memoryBytes)} of memory`],
    ['System', `${host.os}, Linux ${host.kernel}, TCP ${host.congestionControl}`],
    ['Mesh', `${meshes[mesh].title}, ${proxy} as both sidecars`],
    [
      'Software',
      Object.entries(software)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
    ['Begun', startedAt],
  ]
}

const definitions = (entries: readonly (readonly [string, string])[]): Markup =>
  markup`<dl>${entries.map(([term, text]) => markup`<dt>${term}</dt><dd>${text}</dd>`)}</dl>`

function row(tag: 'th' | 'td', texts: readonly string[]): Markup {
  const [open, close] = [new Markup(`<${tag}>`), new Markup(`</${tag}>`)]
  return markup`<tr>${texts.map((text) => [open, text, close])}</tr>\n`
}
