import type { Cell, Mode } from './options.ts'
import type { Comparison, Run } from './report.ts'
import { inverse, outcomeOf, ratioInterval } from './measure/intervals.ts'
import type { RatioInterval } from '../src/lib/paired-ratio.ts'

const names = [
  'qpsRatio',
  'gbpsRatio',
  'p50Ratio',
  'p99Ratio',
  'cpuRatio',
  'openP50Ratio',
  'openP99Ratio',
] as const
type Name = (typeof names)[number]

const figures: Readonly<Record<Name, (run: Run) => number | undefined>> = {
  qpsRatio: ({ qps }) => qps,
  gbpsRatio: ({ gbps }) => gbps,
  p50Ratio: ({ latencyUs }) => latencyUs?.p50,
  p99Ratio: ({ latencyUs }) => latencyUs?.p99,
  cpuRatio: ({ cpuUsPerRequest }) => cpuUsPerRequest,
  openP50Ratio: ({ openLoop }) => openLoop?.latencyUs.p50,
  openP99Ratio: ({ openLoop }) => openLoop?.latencyUs.p99,
}

type Ratios = Readonly<Partial<Record<Name, RatioInterval>>>

/** Compares every mode with every other within each round: the machine changes from round to round. */
export function compare(runs: readonly Run[]): Comparison[] {
  return cells(runs).flatMap((cell) => {
    const ofCell = runs.filter((run) => sameCell(run, cell))
    const modes = modesOf(ofCell)
    const found = new Map<string, Ratios>()
    return modes.flatMap((mode) =>
      modes
        .filter((baseline) => baseline !== mode)
        .map((baseline) => {
          const opposite = found.get(`${baseline} ${mode}`)
          const ratios = opposite ? inverses(opposite) : ratiosOf(ofCell, mode, baseline)
          found.set(`${mode} ${baseline}`, ratios)
          const speed = speedRatio(ratios)
          const verdict = speed ? { verdict: outcomeOf(speed) } : {}
          return { ...cell, mode, baseline, ...ratios, ...verdict }
        }),
    )
  })
}

/**
 * The ratios that a bench has to measure precisely, of the runs of one cell: the speed of each mode against `iptables`,
 * or against its first mode. Undefined where a mode has no speed, because it broke.
 */
export function askedRatios(runs: readonly Run[]): (RatioInterval | undefined)[] {
  const modes = modesOf(runs)
  const baseline = modes.includes('iptables') ? 'iptables' : modes[0]
  if (baseline === undefined) return []
  return modes.filter((mode) => mode !== baseline).map((mode) => speedOf(runs, mode, baseline))
}

/** The speed of a mode against another, by the runs of one cell. */
export const speedOf = (
  runs: readonly Run[],
  mode: Mode,
  baseline: Mode,
): RatioInterval | undefined => ratio(pairs(runs, mode, baseline), ({ qps, gbps }) => qps ?? gbps)

const modesOf = (runs: readonly Run[]): Mode[] => [...new Set(runs.map(({ mode }) => mode))]

function ratiosOf(runs: readonly Run[], mode: Mode, baseline: Mode): Ratios {
  const rounds = pairs(runs, mode, baseline)
  return known((name) => ratio(rounds, figures[name]))
}

const inverses = (ratios: Ratios): Ratios =>
  known((name) => {
    const found = ratios[name]
    return found && inverse(found)
  })

function known(of: (name: Name) => RatioInterval | undefined): Ratios {
  const entries = names.map((name) => [name, of(name)] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

type Pair = readonly [mine: Run, theirs: Run]

/** Pairs the runs of two modes in the same round. */
const pairs = (runs: readonly Run[], mode: Mode, baseline: Mode): Pair[] =>
  runs
    .filter((run) => run.mode === mode)
    .flatMap((mine) => {
      const theirs = runs.find((run) => run.mode === baseline && run.round === mine.round)
      return theirs ? [[mine, theirs] as const] : []
    })

const ratio = (
  rounds: readonly Pair[],
  figure: (run: Run) => number | undefined,
): RatioInterval | undefined =>
  ratioInterval(
    rounds.flatMap((pair) => {
      const [on, off] = pair.map(figure)
      return on !== undefined && off !== undefined && on > 0 && off > 0 ? [{ on, off }] : []
    }),
  )

/** The measured cells, in the order of their first run. */
export function cells(runs: readonly Run[]): Cell[] {
  return runs
    .filter((run, index) => runs.findIndex((other) => sameCell(other, run)) === index)
    .map(({ scenario, payloadBytes, connections, redirect }) => ({
      scenario,
      payloadBytes,
      connections,
      redirect,
    }))
}

export const sameCell = (a: Cell, b: Cell): boolean =>
  a.scenario === b.scenario &&
  a.payloadBytes === b.payloadBytes &&
  a.connections === b.connections &&
  a.redirect === b.redirect

/** The speed ratio: of requests, or of a stream's bits. */
export const speedRatio = ({
  qpsRatio,
  gbpsRatio,
}: Pick<Comparison, 'qpsRatio' | 'gbpsRatio'>): RatioInterval | undefined => qpsRatio ?? gbpsRatio
