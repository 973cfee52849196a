import type { CommandModule } from 'yargs'
import type { FlowEndView, FlowView } from '../../api/views.ts'
import { withHelp } from '../help.ts'
import { type ShowArgs, showOptions } from '../options.ts'
import { formatAge, formatBytes } from '../output/print.ts'
import { renderTable, type Column } from '../output/table.ts'
import { UsageError } from '../usage-error.ts'
import { show } from '../output/show.ts'

interface Args extends ShowArgs {
  readonly pod: string | undefined
  readonly reason: string | undefined
  readonly path: 'redirect' | 'tcp' | 'mixed' | undefined
  readonly limit: number
}

const columns: readonly Column[] = [
  { title: 'CLIENT', flexible: true },
  { title: 'SERVER', flexible: true },
  { title: 'AGE', right: true, spare: 3 },
  { title: 'STATE', spare: 4 },
  { title: 'THERE', flexible: true },
  { title: 'BACK', flexible: true },
  { title: 'REDIRECTED', right: true, spare: 1 },
  { title: 'TCP', right: true, spare: 2 },
]

const command: CommandModule<object, Args> = {
  command: 'flows',
  describe: 'The live connections of enrolled pods and the path each direction takes',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        ...showOptions,
        pod: { type: 'string', describe: 'Only connections of NAMESPACE/NAME', requiresArg: true },
        reason: {
          type: 'string',
          describe:
            'Only connections with a direction off the fast path for this reason, as `meshaccel reasons` names it',
          requiresArg: true,
        },
        path: {
          choices: ['redirect', 'tcp', 'mixed'] as const,
          describe: 'Only connections with a direction on this path',
          requiresArg: true,
        },
        limit: {
          type: 'number',
          default: 0,
          describe: 'At most this many connections, 0 for all',
          requiresArg: true,
        },
      }),
      {
        usage: 'flows',
        about:
          'Lists the live connections that have an end in an enrolled pod of this node. THERE is the path from client ' +
          'to server, BACK the other one, each with the reason why it is not redirected. An end that is elsewhere is ' +
          'shown as -.',
        examples: [
          ['flows --pod shop/cart-0', 'the connections of one pod'],
          ['flows --path tcp --limit 20', 'some that are not fast'],
          ['flows --reason stream -o json', 'the connections of one reason, for a program'],
        ],
      },
    ),
  handler: (args) => {
    const { pod = '', reason = '', path = '', limit } = args
    if (!Number.isInteger(limit) || limit < 0 || limit > 0xffff_ffff) {
      throw new UsageError('--limit must be a whole number, 0 for all')
    }
    return show(args, {
      ask: async (client) => {
        const flows: FlowView[] = []
        for await (const chunk of client.flows({ pod, reason, path, limit })) flows.push(...chunk)
        return { flows }
      },
      table: ({ flows }, environment) => {
        if (flows.length === 0) return 'No connections.\n'
        const more = flows.length === limit ? `The first ${limit}; --limit 0 shows all.\n` : ''
        return renderTable(columns, flows.map(row), environment) + more
      },
    })
  },
}

export default command

function row({ client, server, ageMs, state, directions }: FlowView): string[] {
  const sum = (field: 'redirectedBytes' | 'tcpBytes'): bigint =>
    directions.reduce((total, direction) => total + direction[field], 0n)
  const path = (from: string): string => {
    const direction = directions.find((candidate) => candidate.from === from)
    if (!direction) return '-'
    return direction.reason === undefined
      ? direction.path
      : `${direction.path}: ${direction.reason}`
  }
  return [
    describeEnd(client),
    describeEnd(server),
    formatAge(ageMs),
    state,
    path('client'),
    path('server'),
    formatBytes(sum('redirectedBytes')),
    formatBytes(sum('tcpBytes')),
  ]
}

/** `shop/cart-0 10.0.0.1:8080`. */
export function describeEnd(end: FlowEndView | undefined): string {
  return end ? `${end.pod || '?'} ${end.address}` : '-'
}
