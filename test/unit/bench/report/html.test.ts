import { test } from 'tap'
import { compare } from '../../../../bench/comparisons.ts'
import type { Cell } from '../../../../bench/options.ts'
import { renderHtml } from '../../../../bench/report/html.ts'
import { markup } from '../../../../src/lib/markup.ts'
import { linearScale, logScale, ninesScale } from '../../../../bench/report/scale.ts'
import { verdictOf } from '../../../../bench/report/verdict.ts'
import type { Report } from '../../../../bench/report.ts'
import { sampleReport } from '../sample-report.ts'

const cells = [81, 65536].flatMap((payloadBytes) =>
  [1, 16].map((connections): Cell => ({
    scenario: 'keepalive',
    payloadBytes,
    connections,
    redirect: 'nft',
  })),
)
const report = sampleReport(cells)

void test('the page holds everything, runs nothing and loads nothing', (t) => {
  const page = renderHtml(report)
  t.match(page, 'meshaccel makes all 4 cases faster: 1.50x the speed of iptables.')
  t.equal(
    page.split('<svg').length - 1,
    4 + 4 * 3,
    'a plot for each sweep, and three for each cell',
  )
  t.notMatch(page, /<script|<link|<img|<iframe|@import|url\(|\son[a-z]+=|http:|https:/i)
  t.match(page, `content="default-src 'none'; style-src 'unsafe-inline'"`)
  t.notMatch(page, /NaN|Infinity|undefined|\[object/)
  t.end()
})

void test('the JSON comes out of the page as it went in', (t) => {
  const page = renderHtml(report)
  const encoded = /download="[\w.-]+" href="data:application\/json;base64,([\w+/=]+)"/.exec(
    page,
  )?.[1]
  t.same(JSON.parse(Buffer.from(encoded ?? '', 'base64').toString()), report)
  t.end()
})

void test('whatever a machine says of itself stays text', (t) => {
  const evil = `</pre></style><script>alert(1)</script><b title='"'>&amp;`
  const [first] = report.runs
  const nasty: Report = {
    ...report,
    startedAt: evil,
    host: { ...report.host, kernel: evil, cpuModel: evil, os: evil, congestionControl: evil },
    software: { [evil]: evil },
    runs: [...report.runs, ...(first ? [{ ...first, failure: evil }] : [])],
  }
  const page = renderHtml(nasty)
  t.match(page, '&lt;script&gt;alert(1)')
  t.notMatch(page, /<script|<b |<\/style>\s*<script/)
  t.equal(page.split('</pre>').length, 2)
  t.equal(
    markup`<i a="${`"'<`}">${['<', markup`<b>`]}${undefined}${1}</i>`.text,
    `<i a="&quot;&#39;&lt;">&lt;<b>1</i>`,
  )
  t.end()
})

void test('the verdict says what all rounds agree on, and nothing more', (t) => {
  const headline = (speeds: Parameters<typeof sampleReport>[1]): string =>
    verdictOf(sampleReport(cells, speeds)).headline
  t.match(
    headline({ iptables: 1, meshaccel: 0.9 }),
    'meshaccel makes nothing faster here: of 4 cases 4 slower',
  )
  t.match(headline({ iptables: 1, unix: 2 }), 'was not compared')
  const [one, ...others] = report.runs.filter(({ mode }) => mode === 'meshaccel')
  const iptables = report.runs.filter(({ mode }) => mode === 'iptables')
  const mixed = [...iptables, ...others, ...(one ? [{ ...one, qps: 1 }] : [])]
  t.match(
    verdictOf({ ...report, runs: mixed, comparisons: compare(mixed) }).headline,
    /3 of 4 cases faster: 1\.50x the speed of iptables; 1 not sure/,
  )
  const slow = verdictOf(sampleReport(cells.slice(0, 1), { iptables: 1, meshaccel: 0.9 }))
  t.match(slow.sentences[0], 'Slower: keepalive: 81 B, 1 connection, 0.90x of iptables.')
  t.end()
})

void test('one round and broken runs are not hidden', (t) => {
  const runs = report.runs
    .filter(({ round }) => round === 1)
    .map((run) => (run.mode === 'naive' ? { ...run, failure: 'it broke' } : run))
  const { sentences } = verdictOf({
    ...report,
    runs,
    comparisons: compare(runs),
    repeatedRounds: 2,
  })
  t.match(sentences.join('\n'), 'Only 1 round: there are no intervals')
  t.match(sentences.join('\n'), 'naive broke')
  t.match(sentences.join('\n'), '2 rounds repeated')
  t.end()
})

void test('scales', (t) => {
  const linear = linearScale([0, 23_000], [0, 100], String)
  t.same(
    linear.ticks.map(({ label }) => label),
    ['0', '10000', '20000', '30000'],
  )
  t.equal(linear.at(15_000), 50)
  const log = logScale([100, 10_000], [0, 100], String)
  t.same(
    log.ticks.map(({ label }) => label),
    ['100', '200', '500', '1000', '2000', '5000', '10000'],
  )
  t.equal(log.at(1000), 50)
  const nines = ninesScale(0.999, [0, 90])
  t.same(
    nines.ticks.map(({ at, label }) => `${Math.round(at)} ${label}`),
    ['0 0 %', '9 50 %', '30 90 %', '60 99 %', '90 99.9 %'],
  )
  t.end()
})
