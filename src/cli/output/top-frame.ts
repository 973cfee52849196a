import type { CliEnvironment } from '../environment.ts'
import { describeEnd } from '../commands/flows.ts'
import type { Sample } from './rate-samples.ts'
import { cut } from './plain-text.ts'
import { formatAge, formatBytes } from './print.ts'
import { podRates, type FlowRate, type PodRate, type Rate } from './rates.ts'
import { tableLines, widthOf, type Column } from './table.ts'

export const views = ['pods', 'flows'] as const
export const orders = ['rate', 'tcp', 'connections', 'age', 'name'] as const

/** The user's choice of view and order. */
export interface Choice {
  readonly view: (typeof views)[number]
  readonly order: (typeof orders)[number]
}

/** The orders of each view. */
const ordersOf: Readonly<Record<Choice['view'], readonly Choice['order'][]>> = {
  pods: ['rate', 'tcp', 'connections', 'name'],
  flows: ['rate', 'tcp', 'age', 'name'],
}

/** The choice after a key press; undefined if the key ends the command. */
export function chosen(choice: Choice, key: string): Choice | undefined {
  if (key === 'q') return undefined
  if (key === 'p') return { ...choice, view: 'pods' }
  if (key === 'f') return { ...choice, view: 'flows' }
  if (key !== 's') return choice
  const possible = ordersOf[choice.view]
  const next = possible[(possible.indexOf(orderOf(choice)) + 1) % possible.length]
  return { ...choice, order: next ?? 'rate' }
}

/** Returns the order, or `rate` if the view does not have it. */
function orderOf({ view, order }: Choice): Choice['order'] {
  return ordersOf[view].includes(order) ? order : 'rate'
}

export const keysHelp = 'q quit  p pods  f flows  s sort'

/** The lines of the screen. The node's totals come first. */
export function topLines(
  sample: Sample,
  choice: Choice,
  environment: CliEnvironment,
  rows: number = Infinity,
): string[] {
  const head = headLines(sample, choice).map((line) => cut(line, widthOf(environment)))
  const room = Math.max(0, rows - head.length - 1)
  const table =
    choice.view === 'pods'
      ? tableLines(podColumns, sortedPods(sample, choice).slice(0, room).map(podRow), environment)
      : tableLines(
          flowColumns,
          sortedFlows(sample, choice).slice(0, room).map(flowRow),
          environment,
        )
  return [...head, ...table]
}

function headLines({ status, node, everyMs }: Sample, choice: Choice): string[] {
  const { connections, pods } = status
  return [
    `${status.state}, policy ${status.policy}; every ${Number((everyMs / 1000).toFixed(1))} s, by ${orderOf(choice)}`,
    `${pods.enrolled} pods enrolled; ${connections.now} connections: ${connections.engaged} engaged, ` +
      `${connections.plain} plain, ${connections.mixed} mixed`,
    `redirected ${formatRate(node.redirected)}, TCP ${formatRate(node.tcp)}, ${share(node)} fast`,
  ]
}

const podColumns: readonly Column[] = [
  { title: 'POD', flexible: true },
  { title: 'CONNS', right: true, spare: 2 },
  { title: 'ENGAGED', right: true, spare: 3 },
  { title: 'REDIRECTED/S', right: true },
  { title: 'TCP/S', right: true, spare: 1 },
  { title: 'FAST', right: true },
  { title: 'SLOW BY', flexible: true, spare: 4 },
]

function podRow({ pod, connections, engaged, reason, ...rate }: PodRate): string[] {
  return [
    pod,
    String(connections),
    String(engaged),
    formatBytes(rate.redirected),
    formatBytes(rate.tcp),
    share(rate),
    reason ?? '',
  ]
}

const flowColumns: readonly Column[] = [
  { title: 'CLIENT', flexible: true },
  { title: 'SERVER', flexible: true },
  { title: 'AGE', right: true, spare: 3 },
  { title: 'REDIRECTED/S', right: true },
  { title: 'TCP/S', right: true, spare: 1 },
  { title: 'SLOW BY', flexible: true, spare: 2 },
]

function flowRow({ flow, redirected, tcp }: FlowRate): string[] {
  const reasons = flow.directions.flatMap(({ reason }) => reason ?? [])
  return [
    describeEnd(flow.client),
    describeEnd(flow.server),
    formatAge(flow.ageMs),
    formatBytes(redirected),
    formatBytes(tcp),
    [...new Set(reasons)].join(' '),
  ]
}

export function sortedPods({ flows }: Pick<Sample, 'flows'>, choice: Choice): PodRate[] {
  const order = orderOf(choice)
  return podRates(flows).toSorted((one, other) => {
    if (order === 'connections') return other.connections - one.connections || byRate(one, other)
    return compare(order, one, other) || compareText(one.pod, other.pod)
  })
}

export function sortedFlows({ flows }: Pick<Sample, 'flows'>, choice: Choice): FlowRate[] {
  const order = orderOf(choice)
  return flows.toSorted((one, other) => {
    if (order === 'age') return Number(other.flow.ageMs - one.flow.ageMs)
    return compare(order, one, other) || compareText(endsOf(one), endsOf(other))
  })
}

const endsOf = ({ flow }: FlowRate): string =>
  `${describeEnd(flow.client)} ${describeEnd(flow.server)}`

/** Compares by `order`. Returns 0 for `name`, which the caller compares. */
function compare(order: Choice['order'], one: Rate, other: Rate): number {
  if (order === 'tcp') return other.tcp - one.tcp
  return order === 'name' ? 0 : byRate(one, other)
}

const byRate = (one: Rate, other: Rate): number =>
  other.redirected + other.tcp - one.redirected - one.tcp

const compareText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

const formatRate = (bytes: number): string => `${formatBytes(bytes)}/s`

/** The share of redirected bytes, as text. */
function share({ redirected, tcp }: Rate): string {
  const all = redirected + tcp
  return all === 0 ? '-' : `${Math.floor((100 * redirected) / all)} %`
}
