import { cells } from '../comparisons.ts'
import type { Report } from '../report.ts'
import { cellRows, cellTitle, verdictLine } from './text.ts'

const style = `body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ccc }
th:first-child, td:first-child { text-align: left }
pre { overflow-x: auto; font-size: 12px }`

/** The report as one HTML file without anything from elsewhere; the figures of every run are in it as JSON. */
export function renderHtml(report: Report): string {
  const { host } = report
  const sections = cells(report.runs).map((cell) => {
    const [titles = [], ...rows] = cellRows(report, cell)
    const verdict = verdictLine(report, cell)
    return `<h2>${escape(cellTitle(cell))}</h2>
${verdict === undefined ? '' : `<p><strong>${escape(verdict)}</strong></p>\n`}<table>
${row('th', titles)}
${rows.map((cellTexts) => row('td', cellTexts)).join('\n')}
</table>`
  })
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>meshaccel bench</title>
<style>${style}</style>
<h1>meshaccel bench</h1>
<p>${escape(`${report.proxy}, ${report.mesh}, Linux ${host.kernel}, ${host.cpus} CPUs, ${host.congestionControl}`)}</p>
${sections.join('\n')}
<details><summary>Every run</summary><pre>${escape(JSON.stringify(report, undefined, 2))}</pre></details>
</html>
`
}

const row = (tag: 'th' | 'td', texts: readonly string[]): string =>
  `<tr>${texts.map((text) => `<${tag}>${escape(text)}</${tag}>`).join('')}</tr>`

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
