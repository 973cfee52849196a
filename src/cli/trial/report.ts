import { Markup, markup } from '../../lib/markup.ts'
import type { TrialOutcome } from './outcome.ts'
import { comparisonRows, comparisonTitles, headlines } from './words.ts'

const style = `
:root { color-scheme: light dark }
body { margin: 0 auto; padding: 2rem 1.25rem; max-width: 60rem; font: 15px/1.5 system-ui, sans-serif }
table { border-collapse: collapse } th, td { padding: .2rem .8rem; text-align: right }
th:first-child, td:first-child { text-align: left } tr { border-bottom: 1px solid #8886 }
`

/** The outcome as one HTML file. It has no script and no external resources. */
export function renderTrial(
  outcome: TrialOutcome,
  advice: readonly string[],
  madeAt: Date,
): string {
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>meshaccel trial ${outcome.namespace}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<h1>Trial of namespace ${outcome.namespace}</h1>
<p>${madeAt.toISOString()}</p>
<p><strong>${headlines[outcome.verdict]}</strong></p>
<ul>${advice.map((sentence) => markup`<li>${sentence}</li>`)}</ul>
${table(comparisonTitles, comparisonRows(outcome))}
<h2>Windows</h2>
${table(['pair', 'path', 'start', 'requests', 'p50 us', 'p90 us', 'p99 us', 'CPU us per request'], windowRows(outcome))}
<h2>Raw data</h2>
<details><summary>Show</summary><pre>${JSON.stringify({ ...outcome, advice }, undefined, 2)}</pre></details>
</body>
</html>
`
  return page.text
}

const windowRows = ({ windows }: TrialOutcome): string[][] =>
  windows.map(({ pair, on, startMs, requests, p50Us, p90Us, p99Us, cpuUsPerRequest }) => [
    String(pair),
    on ? 'accelerated' : 'TCP',
    `${(startMs / 1000).toFixed(1)} s`,
    String(requests),
    ...[p50Us, p90Us, p99Us].map((value) => value.toFixed(1)),
    cpuUsPerRequest?.toFixed(1) ?? '-',
  ])

const table = (titles: readonly string[], rows: readonly (readonly string[])[]): Markup =>
  markup`<table>
<tr>${titles.map((title) => markup`<th>${title}</th>`)}</tr>
${rows.map((row) => markup`<tr>${row.map((cell) => markup`<td>${cell}</td>`)}</tr>\n`)}</table>`
