import { cells, sameCell } from '../comparisons.ts'
import type { Cell, Mode } from '../options.ts'
import { removedShare } from '../measure/removed-share.ts'
import type { Comparison, Report } from '../report.ts'
import { type Outcome, outcomeOf } from '../measure/intervals.ts'
import { median, type Spread } from '../measure/statistics.ts'
import { counted } from './format.ts'
import { cellTitle, percentText, ratioOf } from './text.ts'

/** The report in plain words: a headline, then sentences that qualify it. */
export interface Verdict {
  readonly headline: string
  readonly sentences: readonly string[]
}

export function verdictOf(report: Report): Verdict {
  const measured = cells(report.runs).flatMap((cell) => {
    const ratio = ratioOf(report, cell, 'meshaccel', 'iptables')
    return ratio ? [{ cell, ratio, outcome: outcomeOf(ratio) }] : []
  })
  if (measured.length === 0) {
    return { headline: 'meshaccel was not compared with iptables in this run.', sentences: [] }
  }
  const of = (wanted: Outcome): typeof measured =>
    measured.filter(({ outcome }) => outcome === wanted)
  const slower = of('slower')
  return {
    headline: headline(measured.length, of('faster'), slower.length, of('not-sure').length),
    sentences: [
      ...slower.map(
        ({ cell, ratio }) =>
          `Slower: ${cellTitle(report, cell)}, ${times(ratio.median)} of iptables.`,
      ),
      ...figureSentences(report),
      ...caveats(report),
    ],
  }
}

function headline(
  all: number,
  faster: readonly { readonly ratio: Spread }[],
  slower: number,
  unsure: number,
): string {
  const gains = faster.map(({ ratio }) => ratio.median)
  const by = `${fromTo(gains, times)} the speed of iptables`
  if (faster.length === all) {
    return all === 1
      ? `meshaccel makes it faster: ${by}.`
      : `meshaccel makes ${all === 2 ? 'both' : `all ${all}`} cases faster: ${by}.`
  }
  const rest = [
    ...(slower > 0 ? [`${slower} slower`] : []),
    ...(unsure > 0 ? [`${unsure} not sure`] : []),
  ]
  if (faster.length === 0) {
    return slower === 0
      ? `Not sure: in ${counted(all, 'case')} the interval allows both faster and slower.`
      : `meshaccel makes nothing faster here: of ${counted(all, 'case')} ${rest.join(', ')}.`
  }
  return `meshaccel makes ${faster.length} of ${all} cases faster: ${by}; ${rest.join(', ')}.`
}

function figureSentences(report: Report): string[] {
  const against = report.comparisons.filter(
    ({ mode, baseline }) => mode === 'meshaccel' && baseline === 'iptables',
  )
  const medians = (figure: (comparison: Comparison) => Spread | undefined): number[] =>
    against.flatMap((comparison) => figure(comparison)?.median ?? [])
  const say = (values: readonly number[], what: string): string[] =>
    values.length === 0 ? [] : [`${what}: ${fromTo(values, times)} of iptables'.`]
  const inside = (mode: Mode): number[] =>
    cells(report.runs).flatMap((cell) => removedShare(report.runs, cell, mode)?.median ?? [])
  // If it is faster than Unix sockets, it has removed the whole difference.
  const way = inside('meshaccel').map((share) => Math.min(1, share))
  return [
    ...say(
      medians(({ cpuRatio }) => cpuRatio),
      'CPU time per request',
    ),
    ...say(
      medians(({ p50Ratio }) => p50Ratio),
      'Median latency',
    ),
    ...(way.length === 0
      ? []
      : [
          'Of the time that a request spends beyond what two proxies over Unix sockets need, ' +
            `${fromTo(way, percent)} is gone.`,
        ]),
    ...remoteSentence(report),
  ]
}

/** Other modes may fail; a failure of meshaccel is a caveat. */
function caveats(report: Report): string[] {
  const rounds = new Set(report.runs.map(({ round }) => round)).size
  const broken = [
    ...new Set(report.runs.filter(({ failure }) => failure !== undefined).map(({ mode }) => mode)),
  ]
  const stolen = report.runs.flatMap(({ stealShare }) => stealShare ?? [])
  const most = Math.max(0, ...stolen)
  return [
    ...(rounds < 2 ? ['Only 1 round: there are no intervals, so nothing is sure.'] : []),
    ...(report.ended === 'time'
      ? [`The time was up before each ratio was known to ${percentText(report.precision)}.`]
      : []),
    ...broken.map((mode) => `${mode} broke in some of its runs; they have no figures.`),
    ...(report.repeatedRounds > 0
      ? [`${counted(report.repeatedRounds, 'round')} repeated, because of stolen CPU time.`]
      : []),
    ...(most > 0.01
      ? [`The hypervisor took up to ${percent(most)} of the time of a run that counts.`]
      : []),
  ]
}

function remoteSentence(report: Report): string[] {
  const remote = cells(report.runs).filter(({ scenario }) => scenario === 'remote')
  const ran = remote.some((cell: Cell) =>
    report.runs.some((run) => run.mode === 'meshaccel' && sameCell(run, cell)),
  )
  return ran ? ['Of the connections towards the other node none was accelerated, as must be.'] : []
}

const times = (ratio: number): string => `${ratio.toFixed(2)}x`

const percent = (share: number): string => `${Math.round(share * 100)} %`

/** Formats as `1.21x to 1.94x`, or as one figure if both ends read the same. */
function fromTo(values: readonly number[], format: (value: number) => string): string {
  const [low, high] = [format(Math.min(...values)), format(Math.max(...values))]
  return low === high ? format(median(values)) : `${low} to ${high}`
}
